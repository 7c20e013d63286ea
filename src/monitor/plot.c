#include "monitor/plot.h"

#include <math.h>
#include <stdio.h>

#include "monitor/html.h"

enum { VIEW_WIDTH = 520, VIEW_HEIGHT = 320, LEFT = 62, RIGHT = 14, TOP = 14, BOTTOM = 48 };

static double place_x(const struct plot *plot, double x)
{
    return LEFT + (x - plot->x0) / (plot->x1 - plot->x0) * (VIEW_WIDTH - LEFT - RIGHT);
}

static double place_y(const struct plot *plot, double y)
{
    double share = plot->log_y
                       ? (log10(fmax(y, plot->y0)) - log10(plot->y0)) / (log10(plot->y1) - log10(plot->y0))
                       : (y - plot->y0) / (plot->y1 - plot->y0);
    return VIEW_HEIGHT - BOTTOM - share * (VIEW_HEIGHT - TOP - BOTTOM);
}

void plot_begin(struct plot *plot, const char *name, const char *description, const char *x_label,
                const char *y_label)
{
    struct buffer *out = plot->out;
    buffer_format(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", VIEW_WIDTH, VIEW_HEIGHT);
    html_text(out, name);
    buffer_text(out, "</title><desc>");
    html_text(out, description);
    buffer_format(out, "</desc><text class=\"axis\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                  (LEFT + VIEW_WIDTH - RIGHT) / 2, VIEW_HEIGHT - 8);
    html_text(out, x_label);
    buffer_format(
        out, "</text><text class=\"axis\" transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">",
        (TOP + VIEW_HEIGHT - BOTTOM) / 2);
    html_text(out, y_label);
    buffer_text(out, "</text>");
}

void plot_end(struct plot *plot)
{
    buffer_format(plot->out, "<line class=\"base\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/></svg>\n", LEFT,
                  VIEW_HEIGHT - BOTTOM, VIEW_WIDTH - RIGHT, VIEW_HEIGHT - BOTTOM);
}

static void tick_y(struct plot *plot, double y, const char *text)
{
    double at = place_y(plot, y);
    buffer_format(plot->out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>", LEFT, at,
                  VIEW_WIDTH - RIGHT, at);
    buffer_format(plot->out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                  LEFT - 7, at + 4, text);
}

void plot_axis_y(struct plot *plot, double step, bool percent)
{
    char text[32];
    if (plot->log_y) {
        for (double y = 1.0; y <= plot->y1 * 1.0001; y *= 10.0) {
            if (y < 1e4)
                snprintf(text, sizeof text, "%.0f", y);
            else
                snprintf(text, sizeof text, y < 1e6 ? "%.0fk" : "%.0fM", y < 1e6 ? y / 1e3 : y / 1e6);
            tick_y(plot, y, text);
        }
        return;
    }
    /* Multiples of the step, counted, so that no rounding error adds up. */
    int n = (int)floor((plot->y1 - plot->y0) / step + 1e-9);
    for (int i = 0; i <= n; i++) {
        double y = plot->y0 + i * step;
        snprintf(text, sizeof text, percent ? "%.4g %%" : "%.4g", percent ? y * 100.0 : y);
        tick_y(plot, y, text);
    }
}

void plot_tick_x(struct plot *plot, double x, const char *text)
{
    buffer_format(plot->out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                  place_x(plot, x), VIEW_HEIGHT - BOTTOM + 17);
    html_text(plot->out, text);
    buffer_text(plot->out, "</text>");
}

void plot_axis_x(struct plot *plot, double step)
{
    char text[32];
    int n = (int)floor((plot->x1 - plot->x0) / step + 1e-9);
    for (int i = 0; i <= n; i++) {
        double x = plot->x0 + i * step;
        snprintf(text, sizeof text, "%.4g", x);
        plot_tick_x(plot, x, text);
    }
}

static void path_points(struct plot *plot, const struct curve_point *points, int n)
{
    for (int i = 0; i < n; i++)
        buffer_format(plot->out, "%s%.1f %.1f", i ? "L" : "M", place_x(plot, points[i].x),
                      place_y(plot, points[i].y));
}

void plot_line(struct plot *plot, const struct curve_point *points, int n, const char *css_class)
{
    buffer_format(plot->out, "<path class=\"%s\" d=\"", css_class);
    path_points(plot, points, n);
    buffer_text(plot->out, "\"/>");
}

void plot_area(struct plot *plot, const struct curve_point *points, int n, const char *css_class)
{
    if (!n)
        return;
    buffer_format(plot->out, "<path class=\"%s\" d=\"", css_class);
    path_points(plot, points, n);
    buffer_format(plot->out, "L%.1f %.1fL%.1f %.1fZ\"/>", place_x(plot, points[n - 1].x),
                  place_y(plot, plot->y0), place_x(plot, points[0].x), place_y(plot, plot->y0));
}

void plot_segment(struct plot *plot, double xa, double ya, double xb, double yb, const char *css_class)
{
    buffer_format(plot->out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                  css_class, place_x(plot, xa), place_y(plot, ya), place_x(plot, xb), place_y(plot, yb));
}

static void put_tooltip(struct plot *plot, const char *tooltip)
{
    buffer_text(plot->out, "<title>");
    html_text(plot->out, tooltip);
    buffer_text(plot->out, "</title>");
}

void plot_bar(struct plot *plot, double xa, double xb, double y, const char *css_class, const char *tooltip)
{
    double left = place_x(plot, xa), top = place_y(plot, y);
    buffer_format(plot->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">",
                  css_class, left, top, place_x(plot, xb) - left, fmax(place_y(plot, plot->y0) - top, 0.0));
    put_tooltip(plot, tooltip);
    buffer_text(plot->out, "</rect>");
}

void plot_dot(struct plot *plot, double x, double y, double radius, const char *css_class,
              const char *tooltip)
{
    buffer_format(plot->out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\">", css_class,
                  place_x(plot, x), place_y(plot, y), radius);
    put_tooltip(plot, tooltip);
    buffer_text(plot->out, "</circle>");
}

void plot_note(struct plot *plot, double x, double y, double dx, double dy, const char *anchor,
               const char *text)
{
    buffer_format(plot->out, "<text class=\"note\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
                  place_x(plot, x) + dx, place_y(plot, y) + dy, anchor);
    html_text(plot->out, text);
    buffer_text(plot->out, "</text>");
}
