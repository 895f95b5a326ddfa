// Goes before each file of QuickJS (`.cargo/config.toml`), which has no limit for the stack where `__wasi__` is defined: a
// recursion without end would be a trap, and not a RangeError that a handler can catch. The headers of libc need the name, so
// that they come first.

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fenv.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#undef __wasi__
// Has `malloc_usable_size`, as QuickJS takes it.
#define __GLIBC__ 2
