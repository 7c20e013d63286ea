/*
 * Small plots as inline SVG: one pair of axes with lines, bars and dots, styled by the page's CSS classes.
 *
 * A plot maps [x0, x1] x [y0, y1] (y may be logarithmic) to a box inside a 520 x 320 view. Every mark may
 * carry a tooltip (an SVG title). Threads: none shared. Memory: the caller's buffer.
 */
#ifndef SHRIKE_MONITOR_PLOT_H
#define SHRIKE_MONITOR_PLOT_H

#include <stdbool.h>

#include "base/memory.h"
#include "train/metrics.h"

struct plot {
    struct buffer *out;
    double x0, x1, y0, y1;
    bool log_y;
};

/* Opens the SVG with its accessible name and description, draws the y axis (ticks at multiples of y_step, or
 * at powers of ten) and the axes' labels. y_percent prints 0.25 as 25 %. */
void plot_begin(struct plot *plot, const char *name, const char *description, const char *x_label,
                const char *y_label);
void plot_axis_y(struct plot *plot, double step, bool percent);
void plot_axis_x(struct plot *plot, double step);
void plot_tick_x(struct plot *plot, double x, const char *text);
void plot_end(struct plot *plot);

void plot_line(struct plot *plot, const struct curve_point *points, int n, const char *css_class);
void plot_area(struct plot *plot, const struct curve_point *points, int n,
               const char *css_class); /* down to y0 */
void plot_segment(struct plot *plot, double xa, double ya, double xb, double yb, const char *css_class);
void plot_bar(struct plot *plot, double xa, double xb, double y, const char *css_class, const char *tooltip);
void plot_dot(struct plot *plot, double x, double y, double radius, const char *css_class,
              const char *tooltip);
/* Text beside a point. anchor: "start", "middle" or "end". dx, dy in view units. */
void plot_note(struct plot *plot, double x, double y, double dx, double dy, const char *anchor,
               const char *text);

#endif
