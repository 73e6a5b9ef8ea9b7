/* No side effects on the host: loading is inert, nothing on stdout, the caller's state stays (sections 1.5 and 1.6). */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, ROWS = 4096 };

static float x[ROWS * 4], y[ROWS * 4];

/* A whole life: model made, run, released; with some failures on the way. No arithmetic of its own, see below. */
static void live(void) {
  static const int64_t n4[] = {MODEL_N, 4};
  static const uint64_t shape[] = {ROWS, 4}, wrong[] = {ROWS, 5};
  const bytes model = model_scale(2, n4);
  const onnxBackend backend = abi_open_backend();
  onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph = NULL;
  int i;
  EXPECT_OK(onnx.GetBackendCompatibility(abi_first_id(), model.size, model.data));
  EXPECT(S(INVALID_PROTOBUF), onnx.GetBackendCompatibility(abi_first_id(), model.size / 2, model.data));
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  in.shape = wrong;
  EXPECT(S(MISMATCHING_SHAPE), onnx.SetGraphIO(graph, 1, &in, 1, &out));
  in.shape = shape;
  for (i = 0; i < 10; ++i) {
    EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &fence));
    EXPECT_OK(abi_complete(&fence));
  }
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

static int entries(const char* folder) {
  int count = 0;
  DIR* directory = opendir(folder);
  if (directory == NULL) return -1;
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  return count;
}

/* A joined thread may be listed for a moment longer. */
static int threads_become(int expected) {
  int tries;
  for (tries = 0; tries < 200 && entries("/proc/self/task") != expected; ++tries) abi_sleep_ms(10);
  return entries("/proc/self/task") == expected;
}

/* Runs `body` in a child; true when it leaves with status 0. */
static int in_child(void (*body)(void)) {
  int status = -1;
  const pid_t child = fork();
  if (child == 0) {
    body();
    exit(abi_finish());
  }
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static double cpu_seconds(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

/* The first call that needs figures of the CPU measures them on its thread; no thread and no work is left behind. */
static void measure_figures(void) {
  const int threads = entries("/proc/self/task");
  const onnxBackendID id = abi_first_id();
  double used;
  uint64_t macs = 0, again = 0;
  size_t size = sizeof macs;
  EXPECT_OK(onnx.GetBackendInfo(id, ONNXIFI_BACKEND_MACS_FP32, &macs, &size));
  EXPECT_TRUE(threads_become(threads));
  abi_sleep_ms(10);
  used = cpu_seconds();
  EXPECT_TRUE(used < 5);
  abi_sleep_ms(200);
  EXPECT_TRUE(cpu_seconds() - used < 0.002);
  EXPECT_OK(onnx.GetBackendInfo(id, ONNXIFI_BACKEND_MACS_FP32, &again, &size));
  EXPECT_TRUE(macs > 0 && macs == again);
}

/* exit() without releasing anything, with a run pending for ever. */
static void leave_everything(void) {
  static const int64_t n4[] = {MODEL_N, 4};
  static const uint64_t shape[] = {ROWS, 4};
  const bytes model = model_scale(2, n4);
  const onnxBackend backend = abi_open_backend();
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 input = abi_fence(NULL), output = abi_fence(NULL);
  onnxGraph graph = NULL;
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &in, 1, &out, &output));
  EXPECT_OK(abi_complete(&output));
  EXPECT_OK(onnx.InitEvent(backend, &input.event));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
}

struct state {
  unsigned mxcsr;
  int rounding, exceptions, traps;
  char locale[200], folder[1000];
  mode_t mask;
  sigset_t signals;
  size_t environment;
};

static void handler(int signal) { (void)signal; }

static struct state take_state(void) {
  struct state state;
  extern char** environ;
  memset(&state, 0, sizeof state);
#if defined(__SSE__)
  state.mxcsr = _mm_getcsr();
#endif
  state.rounding = fegetround();
  state.exceptions = fetestexcept(FE_ALL_EXCEPT);
  state.traps = fegetexcept();
  snprintf(state.locale, sizeof state.locale, "%s", setlocale(LC_ALL, NULL));
  if (getcwd(state.folder, sizeof state.folder) == NULL) state.folder[0] = '\0';
  state.mask = umask(0);
  umask(state.mask);
  sigemptyset(&state.signals);
  sigprocmask(SIG_BLOCK, NULL, &state.signals);
  while (environ[state.environment] != NULL) ++state.environment;
  return state;
}

static void test_state_of_caller(void) {
  struct state before, after;
  struct sigaction action, dispositions[32], seen;
  float expected[8];
  int first, i;
  live();
  memcpy(expected, y, sizeof expected);
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGFPE, &action, NULL);
  umask(027);
  /* Rounding, flush to zero and sticky flags of the host's own. */
  fesetround(FE_UPWARD);
#if defined(__SSE__)
  _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
  feclearexcept(FE_ALL_EXCEPT);
  for (i = 1; i < 32; ++i) sigaction(i, NULL, &dispositions[i]);
  srand(42);
  first = rand();
  srand(42);
  before = take_state();
  live();
  after = take_state();
  EXPECT_TRUE(rand() == first);
  EXPECT_TRUE(memcmp(&before, &after, sizeof before) == 0);
  fesetround(FE_TONEAREST);
#if defined(__SSE__)
  _mm_setcsr(0x1F80);
#endif
  EXPECT_TRUE(memcmp(expected, y, sizeof expected) == 0); /* the host's rounding does not reach the kernels */
  for (i = 1; i < 32; ++i) {
    sigaction(i, NULL, &seen);
    EXPECT_TRUE(seen.sa_handler == dispositions[i].sa_handler);
  }
}

/* All threads but this one block every signal that can be blocked. */
static void test_signal_masks(void) {
  static const int64_t n4[] = {MODEL_N, 4};
  static const uint64_t shape[] = {ROWS, 4};
  const uint64_t threads_2[] = {ONNXX_BACKEND_PROPERTY_NUM_THREADS, 2, 0};
  const bytes model = model_scale(2, n4);
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x), out = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 input = abi_fence(NULL), output = abi_fence(NULL);
  onnxBackend backend = NULL;
  onnxGraph graph = NULL;
  DIR* tasks;
  struct dirent* task;
  EXPECT_OK(onnx.InitBackend(abi_first_id(), threads_2, &backend));
  EXPECT_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  EXPECT_OK(onnx.SetGraphIO(graph, 1, &in, 1, &out));
  EXPECT_OK(onnx.InitEvent(backend, &input.event));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
  EXPECT_OK(onnx.SignalEvent(input.event));
  EXPECT_OK(abi_complete(&output));
  EXPECT_OK(onnx.ReleaseEvent(input.event));
  tasks = opendir("/proc/self/task");
  while (tasks != NULL && (task = readdir(tasks)) != NULL) {
    char path[300], line[300];
    FILE* status;
    if (task->d_name[0] == '.' || atoi(task->d_name) == (int)getpid()) continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
    status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
      unsigned long long blocked;
      if (sscanf(line, "SigBlk: %llx", &blocked) != 1) continue;
      /* HUP INT QUIT ... but KILL (bit 8) and STOP (bit 18), which nobody can block. */
      EXPECT_TRUE((blocked & 0x7FFBFEFF) == 0x7FFBFEFF);
    }
    if (status != NULL) fclose(status);
  }
  if (tasks != NULL) closedir(tasks);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

int main(int argc, char** argv) {
  char name[] = "/tmp/onnxifi-stdout-XXXXXX";
  int threads, files, output, saved, i;
  void* library;
  struct stat written;
  if (argc < 2) return 1;
  for (i = 0; i < ROWS * 4; ++i) x[i] = (float)i / 3.0f;
  /* Drivers of other devices keep threads and files of their own, which this test would take for ours. */
  setenv("OCL_ICD_VENDORS", "/nonexistent", 1);
  /* Everything that is ever written to stdout goes to a file. */
  output = mkstemp(name);
  unlink(name);
  saved = dup(STDOUT_FILENO);
  dup2(output, STDOUT_FILENO);
  threads = entries("/proc/self/task");
  files = entries("/proc/self/fd");
  library = abi_open(argv[1], 1);
  if (library == NULL) return 1;
  EXPECT_TRUE(entries("/proc/self/task") == threads);
  EXPECT_TRUE(entries("/proc/self/fd") == files);
  EXPECT_TRUE(in_child(live)); /* before the first call of this process */
  setenv("SARDONYX_CACHE_DIR", "off", 1);
  EXPECT_TRUE(in_child(measure_figures) || getenv("ABI_LEAKS_ARE_ERRORS") != NULL);
  live();
  /* A sanitizer may have started a thread of its own by now. */
  if (getenv("ABI_LEAKS_ARE_ERRORS") != NULL) {
    abi_sleep_ms(500);
    threads = entries("/proc/self/task");
  }
  EXPECT_TRUE(in_child(leave_everything) || getenv("ABI_LEAKS_ARE_ERRORS") != NULL);
  test_state_of_caller();
  test_signal_masks();
  /* All handles are released: no thread is left, and unloading is safe. */
  EXPECT_TRUE(threads_become(threads));
  EXPECT_TRUE(dlclose(library) == 0);
  library = abi_open(argv[1], 1);
  EXPECT_TRUE(library != NULL);
  live();
  EXPECT_TRUE(dlclose(library) == 0);
  fflush(stdout);
  EXPECT_TRUE(fstat(output, &written) == 0 && written.st_size == 0);
  dup2(saved, STDOUT_FILENO);
  model_free_all();
  return abi_finish();
}
