#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every buffer that was ever allocated; a buffer that grows leaves its old memory here. */
static void** pool;
static size_t pool_size;

static void* allocate(size_t size) {
  void* memory = malloc(size);
  pool = realloc(pool, (pool_size + 1) * sizeof *pool);
  if (memory == NULL || pool == NULL) abort();
  pool[pool_size++] = memory;
  return memory;
}

void model_free_all(void) {
  size_t i;
  for (i = 0; i < pool_size; ++i) free(pool[i]);
  free(pool);
  pool = NULL;
  pool_size = 0;
}

static void append(bytes* message, const void* data, size_t size) {
  if (message->size + size > message->capacity) {
    const size_t capacity = 2 * (message->size + size) + 64;
    unsigned char* grown = allocate(capacity);
    if (message->size > 0) memcpy(grown, message->data, message->size);
    message->data = grown;
    message->capacity = capacity;
  }
  if (size > 0) memcpy(message->data + message->size, data, size);
  message->size += size;
}

static void put_varint(bytes* message, uint64_t value) {
  unsigned char digits[10];
  size_t count = 0;
  do {
    digits[count] = (unsigned char)(value & 0x7F);
    value >>= 7;
    if (value != 0) digits[count] |= 0x80;
    ++count;
  } while (value != 0);
  append(message, digits, count);
}

static void put_key(bytes* message, int field, int wire_type) {
  put_varint(message, ((uint64_t)field << 3) | (uint64_t)wire_type);
}

void put_int(bytes* message, int field, int64_t value) {
  put_key(message, field, 0);
  put_varint(message, (uint64_t)value);
}

void put_float(bytes* message, int field, float value) {
  put_key(message, field, 5);
  append(message, &value, sizeof value);
}

void put_data(bytes* message, int field, const void* data, size_t size) {
  put_key(message, field, 2);
  put_varint(message, size);
  append(message, data, size);
}

void put_text(bytes* message, int field, const char* text) { put_data(message, field, text, strlen(text)); }

void put_message(bytes* message, int field, bytes value) { put_data(message, field, value.data, value.size); }

static bytes empty(void) {
  bytes message = {NULL, 0, 0};
  return message;
}

/* ValueInfoProto { name = 1, type = 2 }, TypeProto { tensor_type = 1 }, Tensor { elem_type = 1, shape = 2 },
 * TensorShapeProto { dim = 1 }, Dimension { dim_value = 1, dim_param = 2 } */
bytes model_value(const char* name, int type, int rank, const int64_t* dims) {
  bytes shape = empty(), tensor = empty(), outer = empty(), value = empty();
  int i;
  for (i = 0; i < rank; ++i) {
    bytes dim = empty();
    if (dims[i] >= 0) put_int(&dim, 1, dims[i]);
    if (dims[i] == MODEL_N) put_text(&dim, 2, "N");
    if (dims[i] == MODEL_M) put_text(&dim, 2, "M");
    put_message(&shape, 1, dim);
  }
  put_int(&tensor, 1, type);
  if (rank != MODEL_NO_SHAPE) put_message(&tensor, 2, shape);
  put_message(&outer, 1, tensor);
  put_text(&value, 1, name);
  put_message(&value, 2, outer);
  return value;
}

/* GraphProto { node = 1, name = 2, initializer = 5, input = 11, output = 12 } */
bytes model_graph(void) {
  bytes graph = empty();
  put_text(&graph, 2, "g");
  return graph;
}

void model_input(bytes* graph, const char* name, int type, int rank, const int64_t* dims) {
  put_message(graph, 11, model_value(name, type, rank, dims));
}

void model_output(bytes* graph, const char* name, int type, int rank, const int64_t* dims) {
  put_message(graph, 12, model_value(name, type, rank, dims));
}

/* TensorProto { dims = 1, data_type = 2, name = 8, raw_data = 9 } */
void model_initializer(bytes* graph, const char* name, int type, int rank, const int64_t* dims, const void* data,
                       size_t size) {
  bytes tensor = empty();
  int i;
  for (i = 0; i < rank; ++i) put_int(&tensor, 1, dims[i]);
  put_int(&tensor, 2, type);
  put_text(&tensor, 8, name);
  put_data(&tensor, 9, data, size);
  put_message(graph, 5, tensor);
}

static void put_names(bytes* node, int field, const char* names) {
  while (*names != '\0') {
    const size_t length = strcspn(names, ",");
    put_data(node, field, names, length);
    names += length;
    if (*names == ',') ++names;
  }
}

/* NodeProto { input = 1, output = 2, name = 3, op_type = 4, attribute = 5 } */
bytes model_make_node(const char* op, const char* inputs, const char* outputs) {
  bytes node = empty();
  char name[64];
  snprintf(name, sizeof name, "n:%.*s", (int)strcspn(outputs, ","), outputs);
  put_names(&node, 1, inputs);
  put_names(&node, 2, outputs);
  put_text(&node, 3, name);
  put_text(&node, 4, op);
  return node;
}

/* AttributeProto { name = 1, i = 3, type = 20 }, type INT = 2 */
void model_attribute_int(bytes* node, const char* name, int64_t value) {
  bytes attribute = empty();
  put_text(&attribute, 1, name);
  put_int(&attribute, 3, value);
  put_int(&attribute, 20, 2);
  put_message(node, 5, attribute);
}

void model_add_node(bytes* graph, bytes node) { put_message(graph, 1, node); }

void model_node(bytes* graph, const char* op, const char* inputs, const char* outputs) {
  model_add_node(graph, model_make_node(op, inputs, outputs));
}

/* ModelProto { ir_version = 1, graph = 7, opset_import = 8 }, OperatorSetIdProto { domain = 1, version = 2 } */
bytes model_with(int64_t ir, int64_t opset, bytes graph) {
  bytes model = empty(), import = empty();
  put_int(&model, 1, ir);
  put_message(&model, 7, graph);
  put_text(&import, 1, "");
  put_int(&import, 2, opset);
  put_message(&model, 8, import);
  return model;
}

bytes model_of(bytes graph) { return model_with(8, 17, graph); }

bytes model_scale_graph(int rank, const int64_t* dims) {
  const float two = 2.0f, one = 1.0f;
  bytes graph = model_graph();
  model_input(&graph, "x", 1, rank, dims);
  model_initializer(&graph, "two", 1, 0, NULL, &two, sizeof two);
  model_initializer(&graph, "one", 1, 0, NULL, &one, sizeof one);
  model_node(&graph, "Mul", "x,two", "scaled");
  model_node(&graph, "Add", "scaled,one", "y");
  model_output(&graph, "y", 1, rank, dims);
  return graph;
}

bytes model_scale(int rank, const int64_t* dims) { return model_of(model_scale_graph(rank, dims)); }
