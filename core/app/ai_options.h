/* What the settings say of models, checked and in the units of the pipeline. Control thread, at the start. */
#ifndef LUNETTE_APP_AI_OPTIONS_H
#define LUNETTE_APP_AI_OPTIONS_H

#include "app/settings.h"
#include "base/err.h"
#include "pipeline/analyse.h"

/* Texts are borrowed from the settings. ERR_INVALID names the setting: an address without a model, a CA file
 * for http, money that is no decimal number, a personal field that is no path, actions that are not built
 * yet. Whether address, key file and CA file are of use is found where they are opened. */
int ai_options_read(const struct settings *settings, struct ai_settings *ai, struct err *err);

#endif
