/* Models: every status of onnxGetBackendCompatibility and onnxInitGraph, in their order (section 4). */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, INT32 = 6, INT64 = 7, BOOL = 9, DOUBLE = 11 };

static const int64_t n4[] = {MODEL_N, 4};
static const int64_t four[] = {4};
static const int64_t three[] = {3};
static const int64_t two_three[] = {2, 3};
static const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};

static onnxBackendID id;
static onnxBackend backend;

/* ---- Stage 1 and 2: bytes and versions -------------------------------------------------------------------------- */

static bytes garbage(void) {
  static unsigned char data[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
  bytes model;
  model.data = data;
  model.size = model.capacity = sizeof data;
  return model;
}
static bytes truncated(void) {
  bytes model = model_scale(2, n4);
  model.size /= 2;
  return model;
}
static bytes no_graph(void) {
  bytes model = {NULL, 0, 0}, import = {NULL, 0, 0};
  put_int(&model, 1, 8);
  put_int(&import, 2, 17);
  put_message(&model, 8, import);
  return model;
}
static bytes without_ir(void) {
  bytes model = {NULL, 0, 0}, import = {NULL, 0, 0};
  put_message(&model, 7, model_scale_graph(2, n4));
  put_int(&import, 2, 17);
  put_message(&model, 8, import);
  return model;
}
static bytes without_opsets(void) {
  bytes model = {NULL, 0, 0};
  put_int(&model, 1, 8);
  put_message(&model, 7, model_scale_graph(2, n4));
  return model;
}
static bytes ir_zero(void) { return model_with(0, 17, model_scale_graph(2, n4)); }
static bytes ir_too_new(void) { return model_with(99, 17, model_scale_graph(2, n4)); }
static bytes opset_too_new(void) { return model_with(8, 999, model_scale_graph(2, n4)); }
static void import_domain(bytes* model, const char* domain, int64_t version) {
  bytes import = {NULL, 0, 0};
  put_text(&import, 1, domain);
  put_int(&import, 2, version);
  put_message(model, 8, import);
}
static bytes unused_domain(void) {
  bytes model = model_scale(2, n4);
  import_domain(&model, "org.example", 3);
  return model;
}
static bytes spelled_out_domain(void) {
  bytes model = {NULL, 0, 0};
  put_int(&model, 1, 8);
  put_message(&model, 7, model_scale_graph(2, n4));
  import_domain(&model, "ai.onnx", 17);
  return model;
}
static bytes only_other_domain(void) {
  bytes model = {NULL, 0, 0};
  put_int(&model, 1, 8);
  put_message(&model, 7, model_scale_graph(2, n4));
  import_domain(&model, "org.example", 1);
  return model;
}
static bytes foreign_node(int imported) {
  bytes graph = model_graph(), node = model_make_node("Frobnicate", "x", "y"), model;
  model_input(&graph, "x", FLOAT, 2, n4);
  put_text(&node, 7, "org.example");
  model_add_node(&graph, node);
  model_output(&graph, "y", FLOAT, 2, n4);
  model = model_of(graph);
  if (imported) import_domain(&model, "org.example", 1);
  return model;
}
static bytes domain_not_imported(void) { return foreign_node(0); }
static bytes unknown_domain(void) { return foreign_node(1); }

/* ---- Stage 3: structure ------------------------------------------------------------------------------------------ */

/* x -> op -> y with float [N,4] on both sides. */
static bytes unary(bytes node) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_add_node(&graph, node);
  model_output(&graph, "y", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes no_outputs(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_node(&graph, "Relu", "x", "y");
  return model_of(graph);
}
static bytes duplicate_input(void) {
  bytes graph = model_scale_graph(2, n4);
  model_input(&graph, "x", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes nameless_input(void) {
  bytes graph = model_scale_graph(2, n4);
  model_input(&graph, "", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes duplicate_result(void) {
  bytes graph = model_scale_graph(2, n4);
  model_node(&graph, "Relu", "x", "scaled");
  return model_of(graph);
}
static bytes dangling_name(void) { return unary(model_make_node("Relu", "nowhere", "y")); }
static bytes cycle(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_node(&graph, "Add", "x,b", "a");
  model_node(&graph, "Relu", "a", "b");
  model_output(&graph, "b", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes wrong_order(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_node(&graph, "Relu", "a", "y");
  model_node(&graph, "Relu", "x", "a");
  model_output(&graph, "y", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes output_not_produced(void) {
  bytes graph = model_scale_graph(2, n4);
  model_output(&graph, "nowhere", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes input_without_type(void) {
  bytes graph = model_scale_graph(2, n4), value = {NULL, 0, 0};
  put_text(&value, 1, "untyped");
  put_message(&graph, 11, value);
  return model_of(graph);
}
static bytes too_many_inputs(void) { return unary(model_make_node("Relu", "x,x", "y")); }
static bytes too_few_inputs(void) { return unary(model_make_node("Add", "x", "y")); }
static bytes too_many_outputs(void) { return unary(model_make_node("Relu", "x", "y,z")); }
static bytes missing_attribute(void) { return unary(model_make_node("Cast", "x", "y")); }
static bytes attribute_of_wrong_type(void) {
  bytes node = model_make_node("Softmax", "x", "y"), attribute = {NULL, 0, 0};
  put_text(&attribute, 1, "axis");
  put_float(&attribute, 2, 1.0f);
  put_int(&attribute, 20, 1);
  put_message(&node, 5, attribute);
  return unary(node);
}
static bytes attribute_out_of_range(void) {
  bytes node = model_make_node("Softmax", "x", "y");
  model_attribute_int(&node, "axis", 7);
  return unary(node);
}
static bytes with_initializer(int rank, const int64_t* dims, size_t size) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_initializer(&graph, "w", FLOAT, rank, dims, ones, size);
  model_node(&graph, "Add", "x,w", "y");
  model_output(&graph, "y", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes initializer_too_short(void) { return with_initializer(1, four, 12); }
static bytes initializer_too_long(void) { return with_initializer(1, four, 20); }
static bytes initializer_negative_dim(void) {
  static const int64_t dims[] = {-4};
  return with_initializer(1, dims, 16);
}
static bytes initializer_overflowing_dims(void) {
  static const int64_t dims[] = {INT64_C(1) << 62, INT64_C(1) << 62, 4};
  return with_initializer(3, dims, 16);
}
static bytes negative_declared_dim(void) {
  bytes graph = model_graph(), shape = {NULL, 0, 0}, dim = {NULL, 0, 0}, tensor = {NULL, 0, 0}, type = {NULL, 0, 0},
        value = {NULL, 0, 0};
  put_int(&dim, 1, -5);
  put_message(&shape, 1, dim);
  put_int(&tensor, 1, FLOAT);
  put_message(&tensor, 2, shape);
  put_message(&type, 1, tensor);
  put_text(&value, 1, "x");
  put_message(&value, 2, type);
  put_message(&graph, 11, value);
  model_node(&graph, "Relu", "x", "y");
  model_output(&graph, "y", FLOAT, 1, four);
  return model_of(graph);
}
/* TensorProto { external_data = 13, data_location = 14 } */
static bytes external_data(void) {
  bytes graph = model_graph(), tensor = {NULL, 0, 0}, entry = {NULL, 0, 0};
  put_int(&tensor, 1, 4);
  put_int(&tensor, 2, FLOAT);
  put_text(&tensor, 8, "w");
  put_text(&entry, 1, "location");
  put_text(&entry, 2, "weights.bin");
  put_message(&tensor, 13, entry);
  put_int(&tensor, 14, 1);
  put_message(&graph, 5, tensor);
  model_input(&graph, "x", FLOAT, 2, n4);
  model_node(&graph, "Add", "x,w", "y");
  model_output(&graph, "y", FLOAT, 2, n4);
  return model_of(graph);
}
/* FunctionProto { name = 1, input = 4, output = 5, node = 7, opset_import = 9, domain = 10 } */
static bytes with_functions(const char* first_calls, int twice) {
  bytes model, import = {NULL, 0, 0}, node, function = {NULL, 0, 0}, graph = model_graph();
  put_text(&import, 1, "org.example");
  put_int(&import, 2, 1);
  put_text(&function, 1, "F");
  put_text(&function, 4, "a");
  put_text(&function, 5, "b");
  node = model_make_node(first_calls, "a", "b");
  if (strcmp(first_calls, "F") == 0) put_text(&node, 7, "org.example");
  put_message(&function, 7, node);
  put_message(&function, 9, import);
  {
    bytes standard = {NULL, 0, 0};
    put_text(&standard, 1, "");
    put_int(&standard, 2, 17);
    put_message(&function, 9, standard);
  }
  put_text(&function, 10, "org.example");
  model_input(&graph, "x", FLOAT, 2, n4);
  node = model_make_node("F", "x", "y");
  put_text(&node, 7, "org.example");
  model_add_node(&graph, node);
  model_output(&graph, "y", FLOAT, 2, n4);
  model = model_of(graph);
  put_message(&model, 8, import);
  put_message(&model, 25, function);
  if (twice) put_message(&model, 25, function);
  return model;
}
static bytes model_function(void) { return with_functions("Relu", 0); }
static bytes recursive_function(void) { return with_functions("F", 0); }
static bytes duplicate_function(void) { return with_functions("Relu", 1); }
/* AttributeProto { name = 1, g = 6, type = 20 }, type GRAPH = 5 */
static void attribute_graph(bytes* node, const char* name, bytes graph) {
  bytes attribute = {NULL, 0, 0};
  put_text(&attribute, 1, name);
  put_message(&attribute, 6, graph);
  put_int(&attribute, 20, 5);
  put_message(node, 5, attribute);
}
static bytes nested(int depth) {
  bytes inner = model_graph(), graph = model_graph(), node;
  int i;
  model_node(&inner, "Relu", "x", "r0");
  model_output(&inner, "r0", FLOAT, 2, n4);
  for (i = 1; i <= depth; ++i) {
    char result[16];
    bytes outer = model_graph();
    snprintf(result, sizeof result, "r%d", i);
    node = model_make_node("If", "c", result);
    attribute_graph(&node, "then_branch", inner);
    {
      bytes other = model_graph();
      char name[16];
      snprintf(name, sizeof name, "e%d", i);
      model_node(&other, "Neg", "x", name);
      model_output(&other, name, FLOAT, 2, n4);
      attribute_graph(&node, "else_branch", other);
    }
    if (i == depth) {
      model_add_node(&graph, node);
      model_input(&graph, "x", FLOAT, 2, n4);
      model_input(&graph, "c", BOOL, 0, NULL);
      model_output(&graph, result, FLOAT, 2, n4);
    } else {
      model_add_node(&outer, node);
      model_output(&outer, result, FLOAT, 2, n4);
      inner = outer;
    }
  }
  return model_of(graph);
}
static bytes nested_16(void) { return nested(16); }
static bytes nested_300(void) { return nested(300); }

/* ---- Stages 4 to 6: operators, support, declarations ---------------------------------------------------------------
 */

static bytes unknown_operator(void) { return unary(model_make_node("Frobnicate", "x", "y")); }
static bytes operator_too_new_for_opset(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_node(&graph, "Mish", "x", "y"); /* since 18 */
  model_output(&graph, "y", FLOAT, 2, n4);
  return model_with(8, 17, graph);
}
/* TypeProto { sequence_type = 4 }, Sequence { elem_type = 1 } */
static bytes sequence_input(void) {
  bytes graph = model_scale_graph(2, n4), tensor = {NULL, 0, 0}, element = {NULL, 0, 0}, sequence = {NULL, 0, 0},
        type = {NULL, 0, 0}, value = {NULL, 0, 0};
  put_int(&tensor, 1, FLOAT);
  put_message(&element, 1, tensor);
  put_message(&sequence, 1, element);
  put_message(&type, 4, sequence);
  put_text(&value, 1, "s");
  put_message(&value, 2, type);
  put_message(&graph, 11, value);
  return model_of(graph);
}
static bytes training_per_feature(void) {
  static const int64_t features[] = {4};
  static const float ones[4] = {1, 1, 1, 1};
  bytes graph = model_graph(), node = model_make_node("BatchNormalization", "x,p,p,p,p", "y,mean,var,old_mean,old_var");
  model_input(&graph, "x", FLOAT, 2, n4);
  model_initializer(&graph, "p", FLOAT, 1, features, ones, sizeof ones);
  model_attribute_int(&node, "spatial", 0);
  model_add_node(&graph, node);
  model_output(&graph, "y", FLOAT, 2, n4);
  return model_with(8, 8, graph);
}
static bytes rank_known_at_run_time(void) {
  static const int64_t n[] = {MODEL_N};
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 1, four);
  model_input(&graph, "s", INT64, 1, n);
  model_node(&graph, "Reshape", "x,s", "y");
  model_output(&graph, "y", FLOAT, MODEL_NO_SHAPE, NULL);
  return model_of(graph);
}
static bytes declared(int type, int rank, const int64_t* dims) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, two_three);
  model_node(&graph, "Relu", "x", "y");
  model_output(&graph, "y", type, rank, dims);
  return model_of(graph);
}
static bytes output_of_wrong_type(void) { return declared(INT32, 2, two_three); }
static bytes output_of_wrong_shape(void) {
  static const int64_t dims[] = {2, 5};
  return declared(FLOAT, 2, dims);
}
static bytes output_of_wrong_rank(void) { return declared(FLOAT, 1, four); }
static bytes output_without_shape(void) { return declared(FLOAT, MODEL_NO_SHAPE, NULL); }
static bytes value_info_of_wrong_type(void) {
  bytes graph = model_scale_graph(2, n4);
  put_message(&graph, 13, model_value("scaled", INT64, 2, n4));
  return model_of(graph);
}
static bytes operands_of_different_types(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 2, n4);
  model_input(&graph, "i", INT32, 2, n4);
  model_node(&graph, "Add", "x,i", "y");
  model_output(&graph, "y", FLOAT, 2, n4);
  return model_of(graph);
}
static bytes operands_of_different_shapes(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 1, four);
  model_input(&graph, "z", FLOAT, 1, three);
  model_node(&graph, "Add", "x,z", "y");
  model_output(&graph, "y", FLOAT, 1, four);
  return model_of(graph);
}
static bytes empty_tensors(void) {
  static const int64_t dims[] = {0, 4};
  return model_scale(2, dims);
}
static bytes plain(void) { return model_scale(2, n4); }
static bytes first_versions(void) {
  bytes graph = model_graph();
  model_input(&graph, "x", FLOAT, 1, four);
  model_node(&graph, "Tanh", "x", "y");
  model_output(&graph, "y", FLOAT, 1, four);
  return model_with(3, 7, graph);
}

struct model_row {
  onnxStatus expected;
  onnxStatus tolerated; /* equal to expected when there is no second answer */
  bytes (*make)(void);
  const char* label;
  const char* text; /* to be found in the error text, or NULL */
};
#define ROW(status, make, text) \
  { S(status), S(status), make, #make, text }
#define ROW2(status, second, make, text) \
  { S(status), S(second), make, #make, text }
static const struct model_row rows[] = {
    ROW(SUCCESS, plain, NULL),
    ROW(SUCCESS, unused_domain, NULL),
    ROW(SUCCESS, spelled_out_domain, NULL),
    ROW(SUCCESS, model_function, NULL),
    ROW(SUCCESS, nested_16, NULL),
    ROW(SUCCESS, output_without_shape, NULL),
    ROW(SUCCESS, empty_tensors, NULL),
    ROW(SUCCESS, first_versions, NULL),
    ROW(INVALID_PROTOBUF, garbage, NULL),
    ROW(INVALID_PROTOBUF, truncated, NULL),
    ROW(INVALID_MODEL, no_graph, NULL),
    ROW(INVALID_MODEL, without_ir, NULL),
    ROW(INVALID_MODEL, ir_zero, NULL),
    ROW(INVALID_MODEL, without_opsets, NULL),
    ROW(INVALID_MODEL, only_other_domain, NULL),
    ROW(INVALID_MODEL, domain_not_imported, "org.example"),
    ROW(UNSUPPORTED_VERSION, ir_too_new, "99"),
    ROW(UNSUPPORTED_VERSION, opset_too_new, "999"),
    ROW(INVALID_MODEL, no_outputs, NULL),
    ROW(INVALID_MODEL, duplicate_input, "x"),
    ROW(INVALID_MODEL, nameless_input, NULL),
    ROW(INVALID_MODEL, duplicate_result, "n:scaled"),
    ROW(INVALID_MODEL, dangling_name, "nowhere"),
    ROW(INVALID_MODEL, cycle, NULL),
    ROW(INVALID_MODEL, wrong_order, "n:y"),
    ROW(INVALID_MODEL, output_not_produced, "nowhere"),
    ROW(INVALID_MODEL, input_without_type, "untyped"),
    ROW(INVALID_MODEL, too_many_inputs, "n:y"),
    ROW(INVALID_MODEL, too_few_inputs, "n:y"),
    ROW(INVALID_MODEL, too_many_outputs, "n:y"),
    ROW(INVALID_MODEL, missing_attribute, "n:y"),
    ROW(INVALID_MODEL, attribute_of_wrong_type, "n:y"),
    ROW(INVALID_MODEL, attribute_out_of_range, "n:y"),
    ROW(INVALID_MODEL, initializer_too_short, "w"),
    ROW(INVALID_MODEL, initializer_too_long, "w"),
    ROW(INVALID_MODEL, initializer_negative_dim, "w"),
    ROW(INVALID_MODEL, initializer_overflowing_dims, "w"),
    ROW(INVALID_MODEL, negative_declared_dim, "x"),
    ROW(INVALID_MODEL, external_data, "w"),
    ROW(INVALID_MODEL, recursive_function, "F"),
    ROW(INVALID_MODEL, duplicate_function, "F"),
    ROW2(INVALID_MODEL, INVALID_PROTOBUF, nested_300, NULL),
    ROW(UNSUPPORTED_OPERATOR, unknown_operator, "Frobnicate"),
    ROW(UNSUPPORTED_OPERATOR, operator_too_new_for_opset, "Mish"),
    ROW(UNSUPPORTED_OPERATOR, unknown_domain, "Frobnicate"),
    ROW(UNSUPPORTED_DATATYPE, sequence_input, "s"),
    ROW(UNSUPPORTED_ATTRIBUTE, training_per_feature, "n:y"),
    ROW(UNSUPPORTED_SHAPE, rank_known_at_run_time, "n:y"),
    ROW(MISMATCHING_DATATYPE, output_of_wrong_type, "y"),
    ROW(MISMATCHING_DATATYPE, value_info_of_wrong_type, "scaled"),
    ROW(MISMATCHING_SHAPE, output_of_wrong_shape, "y"),
    ROW(MISMATCHING_SHAPE, output_of_wrong_rank, "y"),
    ROW2(INVALID_MODEL, MISMATCHING_DATATYPE, operands_of_different_types, "n:y"),
    ROW2(INVALID_MODEL, MISMATCHING_SHAPE, operands_of_different_shapes, "n:y"),
};

static onnxStatus init_graph(bytes model, uint32_t count, const onnxTensorDescriptorV1* weights, onnxGraph* graph) {
  return onnx.InitGraph(backend, NULL, model.size, model.data, count, weights, graph);
}

static void check_row(const struct model_row* row) {
  const bytes model = row->make();
  onnxGraph graph = (onnxGraph)row;
  onnxStatus asked, made;
  char text[4000] = "";
  size_t size = sizeof text;
  /* A copy of exactly the size, freed right after each call: nothing may read beyond or later. */
  unsigned char* copy = malloc(model.size);
  memcpy(copy, model.data, model.size);
  asked = onnx.GetBackendCompatibility(id, model.size, copy);
  free(copy);
  EXPECT_OK(onnxx.GetLastError(text, &size));
  copy = malloc(model.size);
  memcpy(copy, model.data, model.size);
  made = onnx.InitGraph(backend, NULL, model.size, copy, 0, NULL, &graph);
  free(copy);
  if (!EXPECT(asked == row->tolerated ? row->tolerated : row->expected, asked) || !EXPECT(asked, made) ||
      !EXPECT_TRUE((graph != NULL) == (made == S(SUCCESS))) ||
      !EXPECT_TRUE(row->text == NULL || strstr(text, row->text) != NULL)) {
    fprintf(stderr, "  in row %s: %s\n", row->label, text);
  }
  if (graph != NULL) EXPECT_OK(onnx.ReleaseGraph(graph));
}

/* Every prefix of a model is refused or accepted by both functions alike, and never crashes. */
static void test_prefixes(void) {
  const bytes model = model_scale(2, n4);
  size_t size;
  for (size = 1; size < model.size; ++size) {
    onnxGraph graph = NULL;
    unsigned char* copy = malloc(size);
    onnxStatus asked;
    memcpy(copy, model.data, size);
    asked = onnx.GetBackendCompatibility(id, size, copy);
    EXPECT_TRUE(asked == S(INVALID_PROTOBUF) || asked == S(INVALID_MODEL));
    EXPECT(asked, onnx.InitGraph(backend, NULL, size, copy, 0, NULL, &graph));
    free(copy);
  }
}

/* Flipped bytes: any answer but a crash or INTERNAL_ERROR. */
static void test_flipped_bytes(void) {
  const bytes model = model_scale(2, n4);
  unsigned char* copy = malloc(model.size);
  size_t at;
  int bit;
  for (at = 0; at < model.size; ++at) {
    for (bit = 0; bit < 8; bit += 3) {
      onnxStatus status;
      memcpy(copy, model.data, model.size);
      copy[at] ^= (unsigned char)(1 << bit);
      status = onnx.GetBackendCompatibility(id, model.size, copy);
      EXPECT_TRUE(status != S(INTERNAL_ERROR));
    }
  }
  free(copy);
}

/* ---- onnxInitGraph: pointers, properties, weights
 * -------------------------------------------------------------------- */

static void test_call_statuses(void) {
  static const uint64_t no_properties[] = {0};
  static const uint64_t standard_key[] = {1, 0, 0}, vendor_key[] = {UINT64_C(1) << 34, 1, 0};
  const bytes model = model_scale(2, n4), bad = garbage();
  const onnxTensorDescriptorV1 weight = abi_tensor("x", FLOAT, 0, NULL, NULL);
  onnxGraph graph = (onnxGraph)&model;
  size_t i;
  for (i = 0; i < ABI_BOGUS_COUNT; ++i) {
    EXPECT(S(INVALID_ID), onnx.GetBackendCompatibility(abi_bogus[i], 0, NULL));
    graph = (onnxGraph)&model;
    EXPECT(S(INVALID_BACKEND), onnx.InitGraph(abi_bogus[i], standard_key, 0, NULL, 1, NULL, &graph));
    EXPECT_TRUE(graph == NULL);
    EXPECT(S(INVALID_GRAPH), onnx.ReleaseGraph(abi_bogus[i]));
  }
  EXPECT(S(INVALID_POINTER), onnx.GetBackendCompatibility(id, 0, NULL));
  EXPECT(S(INVALID_SIZE), onnx.GetBackendCompatibility(id, 0, model.data));
  EXPECT(S(INVALID_POINTER), onnx.InitGraph(NULL, NULL, model.size, model.data, 0, NULL, NULL));
  graph = (onnxGraph)&model;
  EXPECT(S(INVALID_POINTER), onnx.InitGraph(backend, NULL, model.size, NULL, 0, NULL, &graph));
  EXPECT_TRUE(graph == NULL);
  EXPECT(S(INVALID_POINTER), onnx.InitGraph(backend, standard_key, 0, model.data, 1, NULL, &graph));
  EXPECT(S(INVALID_SIZE), onnx.InitGraph(backend, standard_key, 0, model.data, 0, NULL, &graph));
  EXPECT(S(UNSUPPORTED_PROPERTY), onnx.InitGraph(backend, standard_key, bad.size, bad.data, 0, NULL, &graph));
  EXPECT(S(UNSUPPORTED_PROPERTY), onnx.InitGraph(backend, vendor_key, model.size, model.data, 0, NULL, &graph));
  EXPECT(S(INVALID_PROTOBUF), onnx.InitGraph(backend, no_properties, bad.size, bad.data, 1, &weight, &graph));
  EXPECT_TRUE(graph == NULL);
  EXPECT_OK(onnx.InitGraph(backend, no_properties, model.size, model.data, 0, &weight, &graph));
  EXPECT(S(INVALID_BACKEND), onnx.ReleaseBackend(graph));
  EXPECT(S(INVALID_EVENT), onnx.ReleaseEvent(graph));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT(S(INVALID_GRAPH), onnx.ReleaseGraph(graph));
}

/* The gtest driver's quirk: as many weights as initializers, but only the first descriptor exists. */
static void test_weights_both_ways(void) {
  const bytes model = model_scale(2, n4); /* initializers "two" and "one" */
  onnxTensorDescriptorV1* first = malloc(sizeof *first);
  onnxGraph graph = NULL;
  *first = abi_tensor("two", 0, 0, NULL, NULL);
  EXPECT_OK(init_graph(model, 2, first, &graph));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  first->name = "one";
  EXPECT_OK(init_graph(model, 2, first, &graph));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  first->name = "two";
  EXPECT(S(INVALID_MODEL), init_graph(model, 1, first, &graph));
  EXPECT(S(INVALID_MODEL), init_graph(model, 3, first, &graph));
  first->name = "x";
  EXPECT(S(INVALID_MODEL), init_graph(model, 2, first, &graph));
  first->name = NULL;
  EXPECT(S(INVALID_MODEL), init_graph(model, 2, first, &graph));
  first->name = "two";
  first->tag = 1;
  EXPECT(S(UNSUPPORTED_TAG), init_graph(model, 2, first, &graph));
  EXPECT(S(UNSUPPORTED_TAG), init_graph(model, 7, first, &graph));
  EXPECT_TRUE(graph == NULL);
  free(first);
}

enum field { END, TAG, NAME, TYPE, MEMORY, RANK, SHAPE, BUFFER };
struct edit {
  int index;
  enum field field;
  uint64_t value;
};
struct weight_row {
  onnxStatus expected;
  struct edit edits[4];
};
#define ADDRESS(object) (uint64_t)(uintptr_t)(object)

static void apply(onnxTensorDescriptorV1* tensors, struct edit edit) {
  onnxTensorDescriptorV1* tensor = &tensors[edit.index];
  switch (edit.field) {
    case TAG:
      tensor->tag = (int32_t)edit.value;
      break;
    case NAME:
      tensor->name = (const char*)(uintptr_t)edit.value;
      break;
    case TYPE:
      tensor->dataType = edit.value;
      break;
    case MEMORY:
      tensor->memoryType = edit.value;
      break;
    case RANK:
      tensor->dimensions = (uint32_t)edit.value;
      break;
    case SHAPE:
      tensor->shape = (const uint64_t*)(uintptr_t)edit.value;
      break;
    case BUFFER:
      tensor->buffer = edit.value;
      break;
    case END:
      break;
  }
}

static void test_weight_descriptors(void) {
  static const uint64_t n_2_4[] = {2, 4}, n_3_4[] = {3, 4}, zero[] = {0, 4}, n_2_5[] = {2, 5};
  static const uint64_t huge[] = {UINT64_C(1) << 62, 4}, large[] = {UINT64_C(1) << 55, 4};
  const struct weight_row weight_rows[] = {
      {S(SUCCESS), {{0, END, 0}}},
      {S(UNSUPPORTED_TAG), {{0, TAG, 0}, {0, NAME, 0}}},
      {S(UNSUPPORTED_TAG), {{1, TAG, ONNXIFI_TAG_MEMORY_FENCE_V1}}},
      {S(INVALID_NAME), {{0, NAME, 0}, {0, TYPE, 0}, {1, TAG, 0}}}, /* the first in full before the second */
      {S(INVALID_NAME), {{0, NAME, ADDRESS("nowhere")}}},
      {S(INVALID_NAME), {{0, NAME, ADDRESS("y")}}},
      {S(INVALID_NAME), {{1, NAME, ADDRESS("a")}}},
      {S(INVALID_DATATYPE), {{0, TYPE, 0}, {0, MEMORY, 3}}},
      {S(INVALID_DATATYPE), {{0, TYPE, 99}}},
      {S(INVALID_DATATYPE), {{0, TYPE, UINT64_C(1) << 32 | FLOAT}}},
      {S(UNSUPPORTED_MEMORY_TYPE), {{0, MEMORY, ONNXIFI_MEMORY_TYPE_CUDA_BUFFER}, {0, SHAPE, 0}}},
      {S(UNSUPPORTED_MEMORY_TYPE), {{0, MEMORY, ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER}}},
      {S(UNSUPPORTED_MEMORY_TYPE), {{0, MEMORY, ONNXIFI_MEMORY_TYPE_OPENGLES_TEXTURE_2D}}},
      {S(UNSUPPORTED_MEMORY_TYPE), {{0, MEMORY, ONNXIFI_MEMORY_TYPE_D3D_RESOURCE}}},
      {S(INVALID_MEMORY_TYPE), {{0, MEMORY, 3}}},
      {S(INVALID_MEMORY_TYPE), {{0, MEMORY, UINT64_C(1) << 40}}},
      {S(INVALID_SHAPE), {{0, SHAPE, 0}, {0, BUFFER, 0}}},
      {S(INVALID_SHAPE), {{0, SHAPE, ADDRESS(zero)}, {0, BUFFER, 0}}},
      {S(INVALID_MEMORY_LOCATION), {{0, BUFFER, 0}, {0, TYPE, INT32}}},
      {S(MISMATCHING_DATATYPE), {{0, TYPE, INT32}, {0, RANK, 1}}},
      {S(MISMATCHING_DATATYPE), {{1, TYPE, BOOL}, {0, RANK, 1}}},
      {S(MISMATCHING_SHAPE), {{0, RANK, 1}}},
      {S(MISMATCHING_SHAPE), {{0, SHAPE, ADDRESS(n_2_5)}}},
      {S(MISMATCHING_SHAPE), {{0, SHAPE, ADDRESS(n_3_4)}}}, /* N is 3 and 2 */
      {S(MISMATCHING_SHAPE), {{0, SHAPE, ADDRESS(huge)}}},
      {S(UNSUPPORTED_SHAPE), {{0, SHAPE, ADDRESS(huge)}, {1, SHAPE, ADDRESS(huge)}}},
      {S(UNSUPPORTED_SHAPE), {{0, SHAPE, ADDRESS(large)}, {1, SHAPE, ADDRESS(large)}}},
  };
  bytes graph = model_graph(), model;
  size_t i, k;
  model_input(&graph, "x", FLOAT, 2, n4);
  model_input(&graph, "a", FLOAT, 2, n4);
  model_input(&graph, "b", FLOAT, 2, n4);
  model_node(&graph, "Add", "x,a", "xa");
  model_node(&graph, "Add", "xa,b", "y");
  model_output(&graph, "y", FLOAT, 2, n4);
  model = model_of(graph);
  for (i = 0; i < sizeof weight_rows / sizeof *weight_rows; ++i) {
    onnxTensorDescriptorV1 weights[2];
    onnxGraph made = (onnxGraph)&weights;
    weights[0] = abi_tensor("a", FLOAT, 2, n_2_4, (void*)ones);
    weights[1] = abi_tensor("b", FLOAT, 2, n_2_4, (void*)ones);
    for (k = 0; k < 4; ++k) apply(weights, weight_rows[i].edits[k]);
    if (!EXPECT(weight_rows[i].expected, init_graph(model, 2, weights, &made))) {
      fprintf(stderr, "  in weight row %d\n", (int)i);
    }
    EXPECT_TRUE((made != NULL) == (weight_rows[i].expected == S(SUCCESS)));
    if (made != NULL) EXPECT_OK(onnx.ReleaseGraph(made));
  }
}

/* Weights are copied, and model checks that need them come after theirs. */
static void test_weights_are_copied(void) {
  static const uint64_t shape[] = {2, 4};
  float values[8] = {1, 2, 3, 4, 5, 6, 7, 8}, x[8] = {0}, y[8] = {0};
  onnxTensorDescriptorV1 weight = abi_tensor("w", FLOAT, 2, shape, values);
  onnxTensorDescriptorV1 input = abi_tensor("x", FLOAT, 2, shape, x), output = abi_tensor("y", FLOAT, 2, shape, y);
  onnxMemoryFenceV1 fence = abi_fence(NULL);
  onnxGraph graph = NULL;
  bytes description = model_graph();
  int i;
  model_input(&description, "x", FLOAT, 2, n4);
  model_input(&description, "w", FLOAT, 2, n4);
  model_node(&description, "Add", "x,w", "y");
  model_output(&description, "y", FLOAT, 2, n4);
  EXPECT_OK(init_graph(model_of(description), 1, &weight, &graph));
  for (i = 0; i < 8; ++i) values[i] = -1;
  EXPECT_OK(onnx.SetIOAndRunGraph(graph, 1, &input, 1, &output, &fence));
  EXPECT_OK(abi_complete(&fence));
  for (i = 0; i < 8; ++i) EXPECT_TRUE(y[i] == (float)(i + 1));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  /* Without its value, w is an input that the host has to bind. */
  EXPECT_OK(init_graph(model_of(description), 0, NULL, &graph));
  EXPECT(S(UNIDENTIFIED_NAME), onnx.SetGraphIO(graph, 1, &input, 1, &output));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  /* A bad descriptor is found before an unknown operator. */
  weight.dataType = INT32;
  model_node(&description, "Frobnicate", "y", "z");
  EXPECT(S(MISMATCHING_DATATYPE), init_graph(model_of(description), 1, &weight, &graph));
  weight.dataType = FLOAT;
  EXPECT(S(UNSUPPORTED_OPERATOR), init_graph(model_of(description), 1, &weight, &graph));
}

int main(int argc, char** argv) {
  size_t i;
  abi_load(argc, argv);
  id = abi_first_id();
  backend = abi_open_backend();
  abi_load_extensions(id);
  for (i = 0; i < sizeof rows / sizeof *rows; ++i) check_row(&rows[i]);
  test_prefixes();
  test_flipped_bytes();
  test_call_statuses();
  test_weights_both_ways();
  test_weight_descriptors();
  test_weights_are_copied();
  EXPECT_OK(onnx.ReleaseBackend(backend));
  model_free_all();
  return abi_finish();
}
