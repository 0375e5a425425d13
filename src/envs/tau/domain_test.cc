#include "envs/tau/domain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/records.h"
#include "base/reference_data.h"
#include "base/test_folder.h"

namespace fulgur::tau {
namespace {

using testing::HasSubstr;

// A shop with one user, one order and one product, and an airline with two flights.
class TauBench : public testing::Test {
 protected:
  TauBench() {
    const auto write = [&](const char* name, const char* text) { WriteFileAtomic(folder_.path() / name, text); };
    write("retail-users.json",
          R"({"ida_1": {"name": {"first_name": "Ida", "last_name": "Ö"}, "email": "ida@example.org",
      "address": {"zip": "1"}, "payment_methods": {"gift_card_1": {"source": "gift_card", "balance": 5.1}},
      "orders": ["#1"]}})");
    write("retail-products.json", R"({"p": {"name": "Pen", "product_id": "p", "variants": {
      "red": {"item_id": "red", "options": {"ink": "red"}, "available": true, "price": 2.3},
      "blue": {"item_id": "blue", "options": {"ink": "blue"}, "available": true, "price": 2.4},
      "gold": {"item_id": "gold", "options": {"ink": "gold"}, "available": false, "price": 90}}}})");
    write("retail-orders.json", R"({"#1": {"order_id": "#1", "user_id": "ida_1", "status": "pending", "address": {},
      "items": [{"name": "Pen", "product_id": "p", "item_id": "red", "price": 2.3, "options": {"ink": "red"}}],
      "payment_history": [{"transaction_type": "payment", "amount": 2.3, "payment_method_id": "gift_card_1"}]}})");
    write("retail-tasks-test.jsonl", R"({"user_id": "ida_1", "instruction": "Cancel, and ask for 1,234.", "actions":
      [{"name": "cancel_pending_order", "kwargs": {"order_id": "#1", "reason": "no longer needed"}}], "outputs": ["1234"]})"
                                     "\n");
    // One line a task: the raw string above is broken over two.
    std::string task = ReadFile(folder_.path() / "retail-tasks-test.jsonl");
    std::erase(task, '\n');
    WriteFileAtomic(folder_.path() / "retail-tasks-test.jsonl", task + "\n");
  }
  TestFolder folder_;
};

TEST_F(TauBench, ToolsChangeTheDatabase) {
  const Domain shop("retail", folder_.path());
  Json database = shop.fresh();
  EXPECT_EQ(shop.Invoke("find_user_id_by_email", {{"email", "IDA@example.org"}}, &database), "ida_1");
  EXPECT_THAT(shop.Invoke("get_user_details", {{"user_id", "ida_1"}}, &database),
              HasSubstr("\"last_name\": \"\\u00d6\""));
  const Json exchange = {
      {"order_id", "#1"}, {"item_ids", {"red"}}, {"new_item_ids", {"blue"}}, {"payment_method_id", "gift_card_1"}};
  EXPECT_THAT(shop.Invoke("modify_pending_order_items", exchange, &database), HasSubstr("\"pending (item modified)\""));
  EXPECT_EQ(database["users"]["ida_1"]["payment_methods"]["gift_card_1"]["balance"], 5.0);
  EXPECT_EQ(database["orders"]["#1"]["items"][0]["item_id"], "blue");
  EXPECT_NE(DatabaseHash(database), DatabaseHash(shop.fresh()));
}

TEST_F(TauBench, RefusalsLeaveItAsItWas) {
  const Domain shop("retail", folder_.path());
  Json database = shop.fresh();
  const Json gold = {
      {"order_id", "#1"}, {"item_ids", {"red"}}, {"new_item_ids", {"gold"}}, {"payment_method_id", "gift_card_1"}};
  EXPECT_EQ(shop.Invoke("modify_pending_order_items", gold, &database), "Error: new item gold not found or available");
  EXPECT_EQ(shop.Invoke("return_delivered_order_items",
                        {{"order_id", "#1"}, {"item_ids", {"red"}}, {"payment_method_id", "gift_card_1"}}, &database),
            "Error: non-delivered order cannot be returned");
  EXPECT_EQ(shop.Invoke("cancel_pending_order", {{"order_id", "#1"}}, &database),
            "Error: CancelPendingOrder.invoke() missing 1 required positional argument: 'reason'");
  EXPECT_EQ(shop.Invoke("think", {{"thought", ""}, {"why", ""}}, &database),
            "Error: Think.invoke() got an unexpected keyword argument 'why'");
  EXPECT_EQ(shop.Invoke("dance", Json::object(), &database), "Unknown action dance");
  EXPECT_EQ(DatabaseHash(database), DatabaseHash(shop.fresh()));
}

TEST_F(TauBench, CalculatesAsPython) {
  const Domain shop("retail", folder_.path());
  Json database = shop.fresh();
  const auto calculate = [&](const char* text) { return shop.Invoke("calculate", {{"expression", text}}, &database); };
  EXPECT_EQ(calculate("1 + 2 * (3 - 0.5)"), "6.0");
  EXPECT_EQ(calculate("-2 ** 2"), "-4.0");
  EXPECT_EQ(calculate("7 // 2"), "3.0");
  EXPECT_EQ(calculate("1/3"), "0.33");
  EXPECT_EQ(calculate("1/0"), "Error: division by zero");
  EXPECT_EQ(calculate("1 +"), "Error: invalid syntax (<string>, line 1)");
  EXPECT_EQ(calculate("x"), "Error: invalid characters in expression");
}

TEST_F(TauBench, RewardNeedsTheDatabaseAndWhatIsSaid) {
  const Domain shop("retail", folder_.path());
  const Task& task = shop.tasks()[0];
  std::vector<Action> actions = task.actions;
  EXPECT_EQ(ScoreActions(shop, task, actions).value, 0) << "nothing was said";
  actions.push_back({kRespond, {{"content", "It is 1,234."}}});
  const Reward reward = ScoreActions(shop, task, actions);
  EXPECT_EQ(reward.value, 1);
  EXPECT_TRUE(reward.outputs.at("1234"));
  EXPECT_EQ(ScoreActions(shop, task, {actions[1]}).value, 0) << "nothing was done";
  // What comes after the conversation's end does not count.
  EXPECT_EQ(ScoreActions(shop, task, {actions[1], {kTransfer, {{"summary", ""}}}, actions[0]}).value, 0);
}

TEST_F(TauBench, HashIsOfPythonsTuples) {
  EXPECT_EQ(DatabaseHash(Json::parse(R"({"b": [1], "a": null})")), Sha256Hex("(('a', None), ('b', (1,)))"));
  EXPECT_EQ(DatabaseHash(Json::parse(R"([1.0, "it's", true, {}, []])")), Sha256Hex("(1.0, \"it's\", True, (), ())"));
}

// The official cancel_reservation appends refunds to the list that book_reservation was called with, so that a
// recording made afterwards shows a call with payments that were not in it.
bool PaysBack(const Json& action) {
  if (!action["kwargs"].contains("payment_methods")) return false;
  for (const Json& payment : action["kwargs"]["payment_methods"]) {
    if (payment["amount"].get<double>() < 0) return true;
  }
  return false;
}

// 200 conversations of a real agent: those that ended give the database and the reward that the official tools give.
TEST(TauBenchSlow, RecordedConversationsReplay) {
  FULGUR_REFERENCE_OR_SKIP(root, "eval/data/tau-bench");
  const Domain airline("airline", root);
  const Records lines(root / "airline-gpt-4o-replay.jsonl", "task_id");
  int64_t ended = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json line = lines.Get(i);
    if (!line["ended"].get<bool>()) continue;
    ++ended;
    std::vector<Action> actions;
    bool altered = false;
    for (const Json& action : line["actions"]) altered |= PaysBack(action);
    for (const Json& action : line["actions"]) actions.push_back({action["name"].get<std::string>(), action["kwargs"]});
    const Reward reward = ScoreActions(airline, airline.tasks()[line["task_id"].get<size_t>()], actions);
    if (!altered) EXPECT_EQ(reward.data_hash, line["data_hash"].get<std::string>()) << lines.Where(i);
    EXPECT_EQ(reward.value, line["replayed_reward"].get<double>()) << lines.Where(i);
  }
  EXPECT_EQ(ended, 195);
}

}  // namespace
}  // namespace fulgur::tau
