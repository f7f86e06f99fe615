/* SPDX-License-Identifier: MIT */
/* fuzz_pcap_reader.c - any file, divided anywhere: the books balance, and do not depend on how it was divided. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pcap_reader.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

struct outcome {
	struct nb_pcap_reader_counts counts;
	struct nb_table_totals totals;
	char what[NB_PCAP_WHAT];
};

/* Pieces are copied to the heap at their exact length, so that the sanitizer sees every step beyond. */
static void feed(struct nb_pcap_reader *reader, struct nb_table *table, const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length != 0 ? length : 1);

	require(copy != NULL);
	memcpy(copy, bytes, length);
	nb_pcap_reader_feed(reader, copy, length, table);
	free(copy);
}

static void read_file(struct outcome *outcome, const uint8_t *bytes, size_t length, size_t piece)
{
	const struct nb_table_config table_config = {
		.max_streams = 4,
		.stamp_class = NB_STAMP_KERNEL,
		.tracker = { .reorder_window = 64,
			     .window_ns = 1000000000,
			     .error_iat_ns = 45000000,
			     .media_rate_bps = 1e6 },
		.series_ns = 1000000,
		.series_points = 8,
	};
	const struct nb_listen listen = { .port = 5004 };
	const struct nb_pcap_reader_config config = { .listens = &listen, .listen_count = piece & 1 ? 0 : 1 };
	struct nb_pcap_reader *reader;
	struct nb_table *table;

	require(nb_table_create(&table, &table_config, NULL) == 0);
	require(nb_pcap_reader_create(&reader, &config, NULL) == 0);
	for (size_t at = 0; at < length; at += piece)
		feed(reader, table, bytes + at, length - at < piece ? length - at : piece);
	nb_pcap_reader_finish(reader);
	nb_pcap_reader_read(reader, &outcome->counts, outcome->what);
	nb_table_lock(table);
	nb_table_finish(table);
	nb_table_totals(table, &outcome->totals);
	nb_table_unlock(table);
	nb_pcap_reader_destroy(reader);
	nb_table_destroy(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t piece = size != 0 ? data[0] + 1u : 1;
	const uint8_t *file = size != 0 ? data + 1 : data;
	const size_t length = size != 0 ? size - 1 : 0;
	const struct nb_pcap_reader_counts *counts;
	static struct outcome whole, parts;

	read_file(&parts, file, length, piece);
	/* The same parity: the same filter. */
	read_file(&whole, file, length, length + 2 + ((length ^ piece) & 1));
	counts = &parts.counts;
	require(memcmp(counts, &whole.counts, sizeof(*counts)) == 0 &&
		memcmp(parts.what, whole.what, sizeof(whole.what)) == 0);
	require(counts->records == counts->datagrams + counts->filtered + counts->not_udp + counts->fragments +
					   counts->cut_headers + counts->damaged + counts->unknown_link);
	require(counts->datagrams == parts.totals.packets && counts->bytes <= length);
	require(counts->broken == (parts.what[0] != '\0') && counts->broken_at <= length);
	require(counts->broken || counts->bytes == length);
	return 0;
}
