/* SPDX-License-Identifier: MIT */
/* module_foreign.c - of a stream, what others put into it: its kind, RTP, and the transport stream inside. */
#include "module.h"

#include <string.h>

static const char *const mode_names[] = {
	[NB_DECODE_AUTO] = "auto",     [NB_DECODE_PROBE] = "probe",   [NB_DECODE_RTP] = "rtp",
	[NB_DECODE_MPEGTS] = "mpegts", [NB_DECODE_IPERF2] = "iperf2", [NB_DECODE_RAW] = "raw",
};

static const char *const kind_names[NB_KIND_COUNT] = {
	[NB_KIND_RAW] = "raw",       [NB_KIND_PROBE] = "probe",   [NB_KIND_RTP] = "rtp",
	[NB_KIND_MPEGTS] = "mpegts", [NB_KIND_IPERF2] = "iperf2",
};

int nb_parse_decode_mode(const char *text, enum nb_decode_mode *mode)
{
	for (size_t i = 0; i < sizeof(mode_names) / sizeof(*mode_names); i++) {
		if (strcmp(text, mode_names[i]) != 0)
			continue;
		*mode = (enum nb_decode_mode)i;
		return 0;
	}
	PyErr_Format(PyExc_ValueError, "decode must be 'auto', 'probe', 'rtp', 'mpegts', 'iperf2' or 'raw', not '%s'",
		     text);
	return -1;
}

static PyObject *ts_object(const struct nb_ts_counts *counts)
{
#define COUNT(member) NB_FIELD(struct nb_ts_counts, member)
	static const struct nb_field fields[] = {
		COUNT(packets),
		COUNT(null_packets),
		COUNT(cc_errors),
		COUNT(ts_lost_estimate),
		COUNT(duplicates),
		COUNT(sync_losses),
		COUNT(sync_byte_errors),
		COUNT(pat_errors),
		COUNT(pmt_errors),
		COUNT(pid_errors),
		COUNT(transport_errors),
		COUNT(crc_errors),
		COUNT(untracked_packets),
		COUNT(pids),
		COUNT(programs),
		COUNT(pcrs),
		COUNT(pcr_interval_errors),
		COUNT(pat_interval_max_ns),
		COUNT(pmt_interval_max_ns),
		COUNT(pcr_interval_max_ns),
		COUNT(mux_rate_bps),
		COUNT(delay_factor_max_ns),
		COUNT(media_rate_bps),
		NB_FIELDS_END,
	};
#undef COUNT

	return nb_dict_of(counts, fields);
}

int nb_dict_fill_foreign(PyObject *dict, const struct nb_stream_key *key, const struct nb_foreign_counts *counts)
{
	static const struct nb_field fields[] = {
		NB_FIELD_AS("media_clock_hz", struct nb_foreign_counts, media_clock_hz),
		NB_FIELD_AS("sequence_restarts", struct nb_foreign_counts, restarts),
		NB_FIELDS_END,
	};
	bool rtp = key->kind == NB_KIND_RTP;

	if (nb_dict_fill(dict, counts, fields))
		return -1;
	if (nb_dict_take(dict, "kind", PyUnicode_FromString(kind_names[key->kind])))
		return -1;
	if (nb_dict_take(dict, "probe", PyBool_FromLong(key->kind == NB_KIND_PROBE)))
		return -1;
	if (nb_dict_take(dict, "payload_type", rtp ? PyLong_FromLong(counts->payload_type) : Py_NewRef(Py_None)))
		return -1;
	return nb_dict_take(dict, "ts", counts->has_ts ? ts_object(&counts->ts) : Py_NewRef(Py_None));
}
