/* SPDX-License-Identifier: MIT */
/* status.c - the one error convention of the core: 0 or -errno, and what failed. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

int nb_fail(struct nb_error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return code;
	error->code = code;
	va_start(arguments, format);
	vsnprintf(error->what, sizeof(error->what), format, arguments);
	va_end(arguments);
	return code;
}
