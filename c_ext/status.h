/* SPDX-License-Identifier: MIT */
/* status.h - the one error convention of the core: 0 or -errno, and what failed. */
#ifndef NB_STATUS_H
#define NB_STATUS_H

/* What failed, in words fit for a user; filled only when a function returns a negative code. */
struct nb_error {
	int code;       /* the -errno that was returned */
	char what[192]; /* e.g. "bind port 5004"; never holds the errno's own text */
};

/**
 * nb_fail() - Fill @error and return @code, so that failing is one line.
 * @error: where to write, or NULL
 * @code: a negative errno
 * @format: printf format of what failed
 *
 * Return: @code
 */
__attribute__((format(printf, 3, 4))) int nb_fail(struct nb_error *error, int code, const char *format, ...);

#endif
