#include "tests/hostile/row.h"

namespace sardonyx::hostile {

const std::vector<Row>& rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> list;
    for (const auto& part :
         {arithmetic_rows(), attention_rows(), axis_rows(), container_rows(), count_rows(), feature_rows(),
          index_rows(), sampling_rows(), sequence_rows(), shape_rows(), signal_rows()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

}  // namespace sardonyx::hostile
