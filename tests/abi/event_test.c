/* Events: every status, waiting, releasing, and races between all of them (section 3). */
#include <pthread.h>

#include "abi.h"

#define S(name) ONNXIFI_STATUS_##name

static onnxEvent make_event(onnxBackend backend) {
  onnxEvent event = NULL;
  REQUIRE_OK(onnx.InitEvent(backend, &event));
  return event;
}

static onnxEventState state_of(onnxEvent event) {
  onnxEventState state = 1;
  EXPECT_OK(onnx.GetEventState(event, &state));
  return state;
}

static void test_statuses(onnxBackend backend) {
  onnxEvent event = (onnxEvent)&event;
  onnxEventState state = 1;
  size_t i;
  EXPECT(S(INVALID_POINTER), onnx.InitEvent(backend, NULL));
  EXPECT(S(INVALID_POINTER), onnx.InitEvent(NULL, NULL));
  EXPECT(S(INVALID_POINTER), onnx.GetEventState(NULL, NULL));
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    event = (onnxEvent)&event;
    state = 1;
    EXPECT(S(INVALID_BACKEND), onnx.InitEvent(abi_bogus[i], &event));
    EXPECT_TRUE(event == NULL);
    EXPECT(S(INVALID_EVENT), onnx.SignalEvent(abi_bogus[i]));
    EXPECT(S(INVALID_EVENT), onnx.WaitEvent(abi_bogus[i]));
    EXPECT(S(INVALID_EVENT), onnx.ReleaseEvent(abi_bogus[i]));
    EXPECT(S(INVALID_EVENT), onnx.GetEventState(abi_bogus[i], &state));
    EXPECT_TRUE(state == ONNXIFI_EVENT_STATE_INVALID);
  }
  EXPECT(S(INVALID_EVENT), onnx.SignalEvent(backend));
  event = make_event(backend);
  EXPECT(S(INVALID_BACKEND), onnx.InitEvent(event, &event));
  event = make_event(backend);
  EXPECT(S(INVALID_POINTER), onnx.GetEventState(event, NULL));
  EXPECT_TRUE(state_of(event) == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  EXPECT_OK(onnx.SignalEvent(event));
  EXPECT_TRUE(state_of(event) == ONNXIFI_EVENT_STATE_SIGNALLED);
  EXPECT(S(INVALID_STATE), onnx.SignalEvent(event));
  EXPECT_OK(onnx.WaitEvent(event));
  EXPECT_OK(onnx.WaitEvent(event));
  EXPECT_OK(onnx.ReleaseEvent(event));
  EXPECT(S(INVALID_EVENT), onnx.ReleaseEvent(event));
  EXPECT(S(INVALID_EVENT), onnx.SignalEvent(event));
  EXPECT(S(INVALID_EVENT), onnx.WaitEvent(event));
}

/* Handles never come back, whatever memory is reused. */
static void test_no_reuse(onnxBackend backend) {
  onnxEvent old[64];
  int i, k;
  for (i = 0; i < 64; ++i) {
    old[i] = make_event(backend);
    for (k = 0; k < i; ++k) EXPECT_TRUE(old[i] != old[k]);
    EXPECT_OK(onnx.ReleaseEvent(old[i]));
  }
  for (i = 0; i < 64; ++i) EXPECT(S(INVALID_EVENT), onnx.ReleaseEvent(old[i]));
}

struct waiter {
  pthread_t thread;
  onnxEvent event;
  onnxStatus status;
};

static void* wait_thread(void* argument) {
  struct waiter* waiter = argument;
  waiter->status = onnx.WaitEvent(waiter->event);
  return NULL;
}

static void start_waiters(struct waiter* waiters, int count, onnxEvent event) {
  int i;
  for (i = 0; i < count; ++i) {
    waiters[i].event = event;
    waiters[i].status = -1;
    pthread_create(&waiters[i].thread, NULL, wait_thread, &waiters[i]);
  }
}

static void test_waiters(onnxBackend backend) {
  struct waiter waiters[8];
  onnxEvent event = make_event(backend);
  int i;
  start_waiters(waiters, 8, event);
  abi_sleep_ms(10);
  EXPECT_OK(onnx.SignalEvent(event));
  for (i = 0; i < 8; ++i) {
    pthread_join(waiters[i].thread, NULL);
    EXPECT_OK(waiters[i].status);
  }
  EXPECT_OK(onnx.ReleaseEvent(event));
  /* Nothing can signal a released event any more: its waiters give up. */
  event = make_event(backend);
  start_waiters(waiters, 4, event);
  abi_sleep_ms(20);
  EXPECT_OK(onnx.ReleaseEvent(event));
  for (i = 0; i < 4; ++i) {
    pthread_join(waiters[i].thread, NULL);
    EXPECT(S(INVALID_EVENT), waiters[i].status);
  }
}

/* Releases race with every other call: each completes or says INVALID_EVENT. */
static onnxEvent raced;
static int race_failures;

static void* race_thread(void* argument) {
  onnxEventState state;
  const onnxStatus signalled = onnx.SignalEvent(raced);
  const onnxStatus waited = onnx.WaitEvent(raced);
  const onnxStatus asked = onnx.GetEventState(raced, &state);
  if ((signalled != S(SUCCESS) && signalled != S(INVALID_EVENT) && signalled != S(INVALID_STATE)) ||
      (waited != S(SUCCESS) && waited != S(INVALID_EVENT)) || (asked != S(SUCCESS) && asked != S(INVALID_EVENT))) {
    __atomic_add_fetch(&race_failures, 1, __ATOMIC_RELAXED);
  }
  return argument;
}

static void test_races(onnxBackend backend) {
  pthread_t threads[3];
  int round, i;
  for (round = 0; round < 200; ++round) {
    raced = make_event(backend);
    for (i = 0; i < 3; ++i) pthread_create(&threads[i], NULL, race_thread, NULL);
    EXPECT_OK(onnx.ReleaseEvent(raced));
    for (i = 0; i < 3; ++i) pthread_join(threads[i], NULL);
  }
  EXPECT_TRUE(race_failures == 0);
}

/* Backends and events made and released by many threads at once. */
static void* churn_thread(void* argument) {
  const onnxBackendID id = *(onnxBackendID*)argument;
  int round, i;
  for (round = 0; round < 50; ++round) {
    onnxBackend backend = NULL;
    onnxEvent events[16];
    EXPECT_OK(onnx.InitBackend(id, NULL, &backend));
    for (i = 0; i < 16; ++i) EXPECT_OK(onnx.InitEvent(backend, &events[i]));
    EXPECT_OK(onnx.ReleaseBackend(backend));
    for (i = 0; i < 16; ++i) {
      EXPECT_OK(onnx.SignalEvent(events[i]));
      EXPECT_OK(onnx.ReleaseEvent(events[i]));
    }
  }
  return NULL;
}

static void test_churn(void) {
  onnxBackendID id = abi_first_id();
  pthread_t threads[4];
  int i;
  for (i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, churn_thread, &id);
  for (i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
}

static void test_wait_for(onnxBackend backend) {
  struct waiter waiters[2];
  onnxEvent event = make_event(backend);
  onnxEventState state = 1;
  EXPECT(S(INVALID_POINTER), onnxx.WaitEventFor(event, 0, NULL));
  EXPECT(S(INVALID_POINTER), onnxx.WaitEventFor(NULL, 0, NULL));
  EXPECT(S(INVALID_EVENT), onnxx.WaitEventFor(NULL, 0, &state));
  EXPECT_TRUE(state == ONNXIFI_EVENT_STATE_INVALID);
  EXPECT_OK(onnxx.WaitEventFor(event, 0, &state));
  EXPECT_TRUE(state == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  EXPECT_OK(onnxx.WaitEventFor(event, 2000000, &state));
  EXPECT_TRUE(state == ONNXIFI_EVENT_STATE_NONSIGNALLED);
  start_waiters(waiters, 2, event);
  EXPECT_OK(onnx.SignalEvent(event));
  EXPECT_OK(onnxx.WaitEventFor(event, UINT64_MAX, &state));
  EXPECT_TRUE(state == ONNXIFI_EVENT_STATE_SIGNALLED);
  pthread_join(waiters[0].thread, NULL);
  pthread_join(waiters[1].thread, NULL);
  EXPECT_OK(onnx.ReleaseEvent(event));
}

static void test_event_error(onnxBackend backend) {
  const onnxEvent event = make_event(backend);
  onnxStatus status = 1;
  char text[8] = "abc";
  size_t size = sizeof text;
  EXPECT(S(INVALID_POINTER), onnxx.GetEventError(event, NULL, text, &size));
  EXPECT(S(INVALID_EVENT), onnxx.GetEventError(NULL, &status, text, NULL));
  EXPECT(S(INVALID_POINTER), onnxx.GetEventError(event, &status, text, NULL));
  EXPECT(S(INVALID_STATE), onnxx.GetEventError(event, &status, text, &size));
  EXPECT_OK(onnx.SignalEvent(event));
  EXPECT(S(FALLBACK), onnxx.GetEventError(event, &status, NULL, &size));
  EXPECT_TRUE(size == 1 && status == S(SUCCESS));
  EXPECT_OK(onnxx.GetEventError(event, &status, text, &size));
  EXPECT_TRUE(size == 1 && text[0] == '\0');
  EXPECT_OK(onnx.ReleaseEvent(event));
}

static void* fresh_thread(void* argument) {
  char text[8] = "abc";
  size_t size = sizeof text;
  EXPECT_OK(onnxx.GetLastError(text, &size));
  EXPECT_TRUE(size == 1 && text[0] == '\0');
  return argument;
}

static void test_last_error(onnxBackend backend) {
  char first[500] = "", second[500] = "";
  size_t size = sizeof first, needed;
  pthread_t thread;
  EXPECT(S(INVALID_POINTER), onnxx.GetLastError(first, NULL));
  EXPECT(S(INVALID_EVENT), onnx.SignalEvent(NULL));
  EXPECT_OK(onnxx.GetLastError(first, &size));
  EXPECT_TRUE(size > 5);
  needed = size;
  /* Neither successes nor the size negotiation change the text. */
  EXPECT_OK(onnx.ReleaseEvent(make_event(backend)));
  size = 0;
  EXPECT(S(FALLBACK), onnxx.GetLastError(NULL, &size));
  EXPECT_TRUE(size == needed);
  size = needed - 1;
  EXPECT(S(FALLBACK), onnxx.GetLastError(second, &size));
  EXPECT_TRUE(second[0] == '\0' && size == needed);
  EXPECT_OK(onnxx.GetLastError(second, &size));
  for (size = 0; size < needed; ++size) EXPECT_TRUE(first[size] == second[size]);
  /* It belongs to this thread. */
  pthread_create(&thread, NULL, fresh_thread, NULL);
  pthread_join(thread, NULL);
}

int main(int argc, char** argv) {
  onnxBackend backend;
  abi_load(argc, argv);
  backend = abi_open_backend();
  abi_load_extensions(abi_first_id());
  test_statuses(backend);
  test_no_reuse(backend);
  test_waiters(backend);
  test_races(backend);
  test_churn();
  test_wait_for(backend);
  test_event_error(backend);
  test_last_error(backend);
  EXPECT_OK(onnx.ReleaseBackend(backend));
  return abi_finish();
}
