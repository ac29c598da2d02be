/* A driver for tests of the binding: memory is the host's, kernels are the C
 * functions below, and any function can be told to fail. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int R;
static char fail_name[64];
static R fail_with;
static int fail_after, driver_version = 12040, devices = 1, major = 8, minor = 6, current, contexts;
static int busy, queries;
static volatile int waiting, wait_ms;
static long live, launches, limit = 1L << 30, used;

void fake_fail(const char *name, R code, int after) { snprintf(fail_name, sizeof fail_name, "%s", name); fail_with = code; fail_after = after; }
void fake_machine(int version, int n, int maj, int min) { driver_version = version; devices = n; major = maj; minor = min; }
void fake_limit(long n) { limit = n; }
void fake_busy(int n) { busy = n; }
void fake_wait(int ms) { wait_ms = ms; } /* how long cuStreamSynchronize takes */
int fake_waiting(void) { return waiting; } /* calls of it that are under way */
long fake_live(void) { return live; }
long fake_launches(void) { return launches; }
int fake_contexts(void) { return contexts; }

static R check(const char *name) {
	if (strcmp(name, fail_name)) return 0;
	if (fail_after-- > 0) return 0;
	return fail_with;
}
#define BEGIN { R r_ = check(__func__); if (r_) return r_; }
#define NEED_CONTEXT if (!current) return 201;

R cuInit(unsigned flags) { BEGIN return flags ? 1 : 0; }
R cuDriverGetVersion(int *v) { BEGIN *v = driver_version; return 0; }
R cuDeviceGetCount(int *n) { BEGIN *n = devices; return 0; }
R cuDeviceGet(int *d, int i) { BEGIN *d = i; return 0; }
R cuDeviceGetName(char *s, int n, int d) { BEGIN snprintf(s, n, "Fake %d", d); return 0; }
R cuDeviceTotalMem_v2(size_t *n, int d) { BEGIN *n = limit; return 0; }
R cuDeviceGetAttribute(int *v, int which, int d) {
	BEGIN
	switch (which) {
	case 75: *v = major; return 0;
	case 76: *v = minor; return 0;
	case 16: *v = 46; return 0;
	case 13: *v = 1410000; return 0;
	case 8: *v = 49152; return 0;
	}
	return 1;
}
R cuDevicePrimaryCtxRetain(void **c, int d) { BEGIN contexts++; *c = (void *)0x77; return 0; }
R cuDevicePrimaryCtxRelease_v2(int d) { BEGIN contexts--; return 0; }
R cuCtxSetCurrent(void *c) { BEGIN if (c != (void *)0x77) return 201; current = 1; return 0; }
R cuModuleLoadDataEx(void **m, const char *text, unsigned n, int *keys, void **values) {
	BEGIN NEED_CONTEXT
	if (strstr(text, "syntax error")) {
		for (unsigned i = 0; i < n; i++)
			if (keys[i] == 5) snprintf(values[i], 100, "ptxas fake, line 7; error : Unknown symbol");
		return 218;
	}
	*m = (void *)0x99;
	return 0;
}
R cuModuleUnload(void *m) { BEGIN NEED_CONTEXT return m == (void *)0x99 ? 0 : 400; }
R cuModuleGetFunction(void **f, void *m, const char *name) {
	BEGIN NEED_CONTEXT
	if (!strcmp(name, "sum")) *f = (void *)1;
	else if (!strcmp(name, "axpy")) *f = (void *)2;
	else return 500;
	return 0;
}
R cuMemAlloc_v2(uint64_t *p, size_t n) {
	BEGIN NEED_CONTEXT
	if (used + (long)n > limit) return 2;
	char *q = aligned_alloc(256, n + 256);
	*(size_t *)q = n;
	*p = (uint64_t)(q + 256);
	used += n; live++;
	return 0;
}
R cuMemFree_v2(uint64_t p) { BEGIN NEED_CONTEXT char *q = (char *)p - 256; used -= *(size_t *)q; free(q); live--; return 0; }
R cuMemGetInfo_v2(size_t *f, size_t *t) { BEGIN *f = limit - used; *t = limit; return 0; }
R cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, void *s) { BEGIN NEED_CONTEXT memcpy((void *)to, from, n); return s ? 0 : 400; }
R cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, void *s) { BEGIN NEED_CONTEXT memcpy(to, (void *)from, n); return s ? 0 : 400; }
R cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void *s) { BEGIN NEED_CONTEXT memcpy((void *)to, (void *)from, n); return s ? 0 : 400; }
R cuStreamCreate(void **s, unsigned flags) { BEGIN NEED_CONTEXT *s = malloc(1); live++; return flags == 1 ? 0 : 1; }
R cuStreamDestroy_v2(void *s) { BEGIN NEED_CONTEXT free(s); live--; return 0; }
R cuStreamSynchronize(void *s) {
	BEGIN NEED_CONTEXT
	__sync_fetch_and_add(&waiting, 1);
	usleep(1000 * wait_ms);
	__sync_fetch_and_sub(&waiting, 1);
	return 0;
}
R cuEventCreate(void **e, unsigned flags) { BEGIN NEED_CONTEXT *e = calloc(1, 2 * sizeof(int)); ((int *)*e)[1] = flags; live++; return 0; }
R cuEventDestroy_v2(void *e) { BEGIN NEED_CONTEXT free(e); live--; return 0; }
R cuEventRecord(void *e, void *s) { BEGIN NEED_CONTEXT *(int *)e = launches; queries = 0; return s ? 0 : 400; }
R cuEventQuery(void *e) { BEGIN NEED_CONTEXT return queries++ < busy ? 600 : 0; }
/* a millisecond and a half a launch */
R cuEventElapsedTime(float *ms, void *a, void *b) { BEGIN NEED_CONTEXT if (((int *)a)[1] || ((int *)b)[1]) return 400; *ms = 1.5f * (*(int *)b - *(int *)a); return 0; }

/* sum: out[i] = the sum of ten numbers and i, for i below the number of threads;
 * with the pointer these are eleven parameters. axpy: y[i] += a x[i]. */
R cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *s, void **params, void **extra) {
	BEGIN NEED_CONTEXT
	if (shared || extra || !s) return 1;
	launches++;
	long n = (long)gx * gy * gz * bx * by * bz;
	if (f == (void *)1) {
		uint32_t *out = *(uint32_t **)params[0], total = 0;
		for (int i = 1; i <= 10; i++) total += *(uint32_t *)params[i];
		for (long i = 0; i < n; i++) out[i] = total + i;
		return 0;
	}
	float *x = *(float **)params[0], *y = *(float **)params[1];
	uint32_t k = *(uint32_t *)params[2];
	for (long i = 0; i < n && i < k; i++) y[i] += 2 * x[i];
	return 0;
}
R cuGetErrorName(R r, const char **s) { *s = r == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : r == 218 ? "CUDA_ERROR_INVALID_PTX" : r == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_FAKE"; return 0; }
R cuGetErrorString(R r, const char **s) { *s = "as the fake driver was told"; return 0; }
