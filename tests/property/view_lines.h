/* view_lines.h - building a view line by line; for the files of the view only. */
#ifndef PM_VIEW_LINES_H
#define PM_VIEW_LINES_H

#include "property/view.h"

void pm_view_add(struct pm_view *view, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void pm_view_add_record(struct pm_view *view, const struct pm_record *record);
void pm_view_sort(struct pm_view *view);

#endif
