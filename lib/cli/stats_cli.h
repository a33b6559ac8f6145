/* SPDX-License-Identifier: ISC */
#ifndef HF_STATS_CLI_H
#define HF_STATS_CLI_H

/*
 * What `lock-status --stats` prints: a report as text for people, as JSON (an object a lock), as
 * CSV (RFC 4180, times in seconds), as OpenMetrics text (a page that Prometheus reads, by way of
 * node_exporter's textfile collector), or with histograms as bars.
 *
 * Buckets of a histogram are limits at 1 and 3 of each decade, from 10 microseconds to 5 minutes.
 * The tools' own, like cli/cli.h. Errors stay in the stream. Single-threaded.
 */

#include <stdio.h>

#include "cli/stats_report.h"

void hf_stats_text(FILE *out, const struct hf_stats_report *report, bool histogram);
void hf_stats_json(FILE *out, const struct hf_stats_report *report, bool histogram);
void hf_stats_csv(FILE *out, const struct hf_stats_report *report);
void hf_stats_openmetrics(FILE *out, const struct hf_stats_report *report);

#endif
