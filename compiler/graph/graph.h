// The graph: mutable SSA over primitives, with use lists and nested regions.
//
// Nodes live in order in a Region's list; every operand is defined before its use (in the region or an enclosing one,
// for if_ and loop bodies; `fused` bodies are closed). Each region ends with one `yield` whose operands are the
// region's results; the graph's outputs are the yield of its body. Values know their uses, so replacing and erasing
// are local edits. Nodes are owned by their region; pointers stay valid until the node is erased.
//
//   Graph g;  Value* x = g.body().add_parameter({DType::F32, {n, 64}}, "x");
//   Builder b(g);  g.set_outputs({b.unary(UnaryFunction::Exp, x)}, {"y"});
#pragma once
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/graph/attributes.h"
#include "compiler/graph/op.h"
#include "compiler/graph/type.h"

namespace sardonyx::graph {

class Graph;
class Region;
struct Node;

struct Use {
  Node* user = nullptr;
  int operand = 0;
  bool operator==(const Use&) const = default;
};

struct Value {
  TensorType type;
  Node* producer = nullptr;  // null for region parameters
  Region* region = nullptr;  // the region whose parameter it is, else null
  int index = 0;             // result or parameter number
  std::string name;          // ONNX name, provenance only
  std::vector<Use> uses;
  // Symbolic contents of small integer/bool tensors (<= 64 elements), row-major, when known: how Shape -> Gather ->
  // Concat -> Reshape chains vanish. I64 expressions for every integer dtype, Bool for bool.
  std::optional<std::vector<Expr>> contents;

  // The tensor when the producer is a `constant`, else null.
  const Tensor* constant() const;
};

struct Node {
  Op op = Op::constant;
  AttributesPtr attributes;
  std::vector<Value*> operands;  // change through Graph::set_operand only
  std::vector<std::unique_ptr<Value>> results;
  std::vector<std::unique_ptr<Region>> regions;
  Region* parent = nullptr;
  std::vector<std::string> sources;  // names of the ONNX nodes it came from
  std::list<std::unique_ptr<Node>>::iterator position;

  Value* result(int i = 0) const { return results[size_t(i)].get(); }
  Value* operand(int i) const { return operands[size_t(i)]; }
  template <class A>
  const A& attrs() const {
    return static_cast<const A&>(*attributes);
  }
};

class Region {
 public:
  Region(Graph& graph, Node* owner) : graph_(graph), owner_(owner) {}
  Graph& graph() const { return graph_; }
  Node* owner() const { return owner_; }  // null for the graph's body

  Value* add_parameter(TensorType type, std::string name = {});
  const std::vector<std::unique_ptr<Value>>& parameters() const { return parameters_; }
  // Removes an unused parameter and renumbers.
  void erase_parameter(int index);

  std::list<std::unique_ptr<Node>>& nodes() { return nodes_; }
  const std::list<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  // The terminator; null while the region is being built.
  Node* yield() const;
  // Operands of the yield.
  const std::vector<Value*>& outputs() const;

 private:
  friend class Graph;
  Graph& graph_;
  Node* owner_;
  std::vector<std::unique_ptr<Value>> parameters_;
  std::list<std::unique_ptr<Node>> nodes_;
};

// Two dim expressions that must be equal at run time; violated equalities are MISMATCHING_SHAPE with `text`.
struct Equality {
  Expr left, right;
  std::string text;
};

class Graph {
 public:
  Graph();
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  Region& body() { return *body_; }
  const Region& body() const { return *body_; }

  // Creates a node before `before` (null: at the end of `region`) with given result types. Does not infer; see Builder.
  Node* create(Region& region, Node* before, Op op, AttributesPtr attributes, std::vector<Value*> operands,
               std::vector<TensorType> result_types);
  Region* add_region(Node* node);
  void erase_region(Node* node, int index);
  Value* add_result(Node* node, TensorType type);
  void erase_result(Node* node, int index);  // must be unused
  void set_operand(Node* node, int index, Value* value);
  void add_operand(Node* node, Value* value);
  void erase_operand(Node* node, int index);
  void replace_all_uses(Value* from, Value* to);
  // The node's results must be unused. Erases nested regions too.
  void erase(Node* node);
  void move_before(Node* node, Node* before);  // same or other region of this graph

  // Graph outputs: creates or replaces the body's yield.
  void set_outputs(std::vector<Value*> values, std::vector<std::string> names);
  std::vector<std::string> output_names;

  // The symbol of a dim_param: the same variable for the same name; fact >= 0 unless given.
  Expr symbol(const std::string& name, expr::Facts facts = {0, INT64_MAX, 1});
  // A symbol whose value is only known at run time or that is anonymous; unique name from `hint`.
  Expr fresh_symbol(const std::string& hint, expr::Facts facts = {0, INT64_MAX, 1});
  // Symbols are numbered from 1 in the order they were made; 0 for variables that are none of this graph.
  int64_t symbol_count() const { return int64_t(symbols_.size()); }
  int64_t symbol_number(const expr::Variable* symbol) const;
  // Where input symbols come from is implied: a Var that is a dim of a body parameter is bound by the input's shape.
  std::vector<Equality> equalities;
  // Whether one of them is between `a` and `b`, in either order, as they are written: nothing is proved.
  bool has_equality(const Expr& a, const Expr& b) const;

  int64_t next_id() { return ++id_; }

  // Bodies of loops that were built again because an iteration changes types. Nested loops multiply them: see
  // max_rebuilt_bodies.
  int64_t rebuilt_bodies = 0;
  // Nodes that gradients went through. Gradients of gradients multiply them.
  int64_t differentiated_nodes = 0;

 private:
  std::unique_ptr<Region> body_;
  friend std::unique_ptr<Graph> clone(const Graph& graph);
  std::map<std::string, expr::VarPtr> symbols_;  // by the name asked for
  std::unordered_map<const expr::Variable*, int64_t> symbol_numbers_;
  std::set<std::string> symbol_names_;  // names of the variables: unique identifiers
  int64_t id_ = 0;
};

// Kinds whose result dims may be run-time symbols that nothing else binds: when such a dim is a plain symbol not bound
// before, the actual shape of the result binds it. Parameters of loop regions bind their plain dims the same way, at
// each iteration. So the dims of an if's result on which the branches disagree, the dims that a loop changes, and the
// leading dim of a scan with an unknown trip count are fresh symbols.
bool binds_result_dims(Op op);  // if_, loop, nonzero, host_call

// Throws Error(InternalError) naming the node unless: types re-infer equal, operands dominate their uses, use lists are
// consistent, regions end in a yield with the right arity, fused bodies are closed, symbols are bound before use.
void verify(const Graph& graph);

// The textual form, which round-trips:
//   graph(%x:f32[N,3,224,224] "x") {
//     %1:f32[64,3,7,7] = constant {value=f32[64,3,7,7]#hash}            (large constants print as a hash and are not
//     parsable) %2:f32[N,64,112,112] = conv %x, %1 {strides=[2,2], pads=[3,3,3,3]} yield %2 "y"
//   }
// Names of values are their numbers in order; nested regions are printed in braces behind the node.
std::string to_string(const Graph& graph);
std::string to_string(const Node& node);
std::unique_ptr<Graph> parse(const std::string& text);  // throws Error(InvalidModel) with line and column

// Structural hash of a node with its regions, attributes and operand types (not names; symbols numbered in order of
// appearance): equal hashes and equal canonical texts mean the same code.
std::string canonical_text(const Node& fused);

// Sets the contents of the result of a `constant` or `dims_tensor`, whose attributes say them. Integer contents are I64
// expressions whatever the dtype, boolean ones are Bool.
void set_known_contents(Node* node);
inline constexpr int64_t max_contents = 64;  // elements
// More are refused: time and memory would grow exponentially with the nesting of loops.
inline constexpr int64_t max_rebuilt_bodies = 4096;

// Deep copy; symbols are shared.
std::unique_ptr<Graph> clone(const Graph& graph);
using ValueMap = std::unordered_map<const Value*, Value*>;
// Copies all nodes but the yield of `source` to before `before` (null: the end of `region`); returns the images of its
// outputs. Operands are looked up in `values`, which must have the parameters (what it lacks stays as it is); results
// are added to it. Symbols that the nodes bind are fresh ones in the copy.
std::vector<Value*> clone_body(const Region& source, Region& region, Node* before, ValueMap& values);

// Evaluates every node on host tensors with the interpreter: the oracle for compiled graphs. Inputs follow
// body().parameters(). (Defined in compiler/ops.)
std::vector<Tensor> interpret(const Graph& graph, std::span<const Tensor> inputs);

}  // namespace sardonyx::graph
