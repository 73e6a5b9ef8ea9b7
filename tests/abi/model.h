/*
 * Serialized ONNX models made by hand: a writer of protobuf fields by number, and the few messages that the tests need.
 * Messages are values of type bytes; their memory lives until model_free_all.
 *
 *   bytes graph = model_graph();
 *   model_input(&graph, "x", 1, 2, (int64_t[]){MODEL_N, 4});
 *   model_node(&graph, "Relu", "x", "y");
 *   model_output(&graph, "y", 1, 2, (int64_t[]){MODEL_N, 4});
 *   bytes model = model_of(graph);
 */
#ifndef SARDONYX_TESTS_ABI_MODEL_H
#define SARDONYX_TESTS_ABI_MODEL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  unsigned char* data;
  size_t size, capacity;
} bytes;

/* Fields of a message, by number. */
void put_int(bytes* message, int field, int64_t value);
void put_float(bytes* message, int field, float value);
void put_text(bytes* message, int field, const char* text);
void put_data(bytes* message, int field, const void* data, size_t size);
void put_message(bytes* message, int field, bytes value);

/* In a declared shape: the symbols "N" and "M", and a dim without name. Other values are static dims. */
#define MODEL_N (-1)
#define MODEL_M (-2)
#define MODEL_ANY (-3)
/* As rank: no shape at all. */
#define MODEL_NO_SHAPE (-1)

bytes model_graph(void);
bytes model_value(const char* name, int type, int rank, const int64_t* dims);
void model_input(bytes* graph, const char* name, int type, int rank, const int64_t* dims);
void model_output(bytes* graph, const char* name, int type, int rank, const int64_t* dims);
void model_initializer(bytes* graph, const char* name, int type, int rank, const int64_t* dims, const void* data,
                       size_t size);
/* Names are separated by commas; nodes are named "n:" and the first output. */
bytes model_make_node(const char* op, const char* inputs, const char* outputs);
void model_attribute_int(bytes* node, const char* name, int64_t value);
void model_add_node(bytes* graph, bytes node);
void model_node(bytes* graph, const char* op, const char* inputs, const char* outputs);
/* IR 8, opset 17. */
bytes model_of(bytes graph);
bytes model_with(int64_t ir, int64_t opset, bytes graph);

/* y = x * 2 + 1 over float tensors of the given shape. */
bytes model_scale(int rank, const int64_t* dims);
/* The graph of model_scale, to be changed before model_of. */
bytes model_scale_graph(int rank, const int64_t* dims);

void model_free_all(void);

#endif
