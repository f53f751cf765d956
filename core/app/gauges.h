/* Gauges that are read when /metrics is scraped: the process, its queues, the ledger. */
#ifndef LUNETTE_APP_GAUGES_H
#define LUNETTE_APP_GAUGES_H

#include "pipeline/pipeline.h"

void gauges_start(struct pipeline *pipeline);
void gauges_stop(struct pipeline *pipeline); /* before the pipeline goes */

#endif
