/* lunette serve: puts the process together, runs the control thread, stops in order. */
#ifndef LUNETTE_APP_SERVE_H
#define LUNETTE_APP_SERVE_H

#include "base/err.h"

struct app;
struct settings;

/* Runs until SIGTERM or SIGINT. The exit code: 0, 2 (no rules can run) or 3 (bad settings, port in use). */
int serve(struct settings *settings);
/* Control thread: reads the rules again and publishes them. */
int serve_reload(struct app *app, struct err *err);

/* Control thread: a new overlay of a list, and word of the new generation to the clients. */
struct overlay_change;
struct report;
int serve_overlay(struct app *app, struct overlay_change *change, struct report *report, struct err *err);

#endif
