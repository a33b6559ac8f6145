/* SPDX-License-Identifier: ISC */
#ifndef HF_STATS_CLI_H
#define HF_STATS_CLI_H

/*
 * The output of `lock-status --stats`: text, JSON (an object a lock), CSV (RFC 4180, times in
 * seconds), OpenMetrics text (for Prometheus, through node_exporter's textfile collector), or
 * histograms as bars.
 *
 * Histogram buckets end at 1 and 3 of each decade, from 10 microseconds to 5 minutes. Errors stay
 * in the stream. Single-threaded.
 */

#include <stdio.h>

#include "cli/stats_report.h"

void hf_stats_text(FILE *out, const struct hf_stats_report *report, bool histogram);
void hf_stats_json(FILE *out, const struct hf_stats_report *report, bool histogram);
void hf_stats_csv(FILE *out, const struct hf_stats_report *report);
void hf_stats_openmetrics(FILE *out, const struct hf_stats_report *report);

#endif
