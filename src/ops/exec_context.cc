#include "ops/exec_context.h"

namespace fulgur {

ExecContext::ExecContext(int threads)
    : pool_(std::make_shared<ThreadPool>(threads)), scratch_(static_cast<size_t>(pool_->threads())) {}

ExecContext::ExecContext(const ExecContext& other) : pool_(other.pool_), scratch_(other.scratch_.size()) {}

}  // namespace fulgur
