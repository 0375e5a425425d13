#include <fmt/format.h>

#include <cmath>

#include "envs/tau/tools.h"
#include "text/python_text.h"

namespace fulgur::tau {

namespace {

using python::DumpJson;

std::string FindByEmail(Json& data, const Json& kwargs) {
  for (const auto& [id, user] : data["users"].items()) {
    if (python::Lower(Str(At(user, "email"))) == python::Lower(Str(kwargs["email"]))) return id;
  }
  return "Error: user not found";
}

std::string FindByNameAndZip(Json& data, const Json& kwargs) {
  for (const auto& [id, user] : data["users"].items()) {
    const Json& name = At(user, "name");
    if (python::Lower(Str(At(name, "first_name"))) == python::Lower(Str(kwargs["first_name"])) &&
        python::Lower(Str(At(name, "last_name"))) == python::Lower(Str(kwargs["last_name"])) &&
        At(At(user, "address"), "zip") == kwargs["zip"]) {
      return id;
    }
  }
  return "Error: user not found";
}

std::string Lookup(const Json& table, const Json& id, const char* kind) {
  return Has(table, id) ? DumpJson(At(table, id)) : fmt::format("Error: {} not found", kind);
}

std::string GetOrder(Json& data, const Json& kwargs) { return Lookup(data["orders"], kwargs["order_id"], "order"); }
std::string GetProduct(Json& data, const Json& kwargs) {
  return Lookup(data["products"], kwargs["product_id"], "product");
}
std::string GetUser(Json& data, const Json& kwargs) { return Lookup(data["users"], kwargs["user_id"], "user"); }

std::string ListProducts(Json& data, const Json&) {
  std::map<std::string, Json> ids;
  for (const auto& [id, product] : data["products"].items()) ids[Str(At(product, "name"))] = At(product, "product_id");
  Json sorted = Json::object();
  for (const auto& [name, id] : ids) sorted[name] = id;
  return DumpJson(sorted);
}

Json& UserOf(Json& data, const Json& order) { return At(data["users"], At(order, "user_id")); }
Json& PaymentMethods(Json& data, const Json& order) { return At(UserOf(data, order), "payment_methods"); }

void AddToBalance(Json* method, const Json& amount) {
  (*method)["balance"] = Round2(Add(At(*method, "balance"), amount));
}

std::string CancelOrder(Json& data, const Json& kwargs) {
  if (!Has(data["orders"], kwargs["order_id"])) return "Error: order not found";
  Json& order = At(data["orders"], kwargs["order_id"]);
  if (At(order, "status") != "pending") return "Error: non-pending order cannot be cancelled";
  if (kwargs["reason"] != "no longer needed" && kwargs["reason"] != "ordered by mistake")
    return "Error: invalid reason";
  Json refunds = Json::array();
  for (const Json& payment : At(order, "payment_history")) {
    const Json& id = At(payment, "payment_method_id");
    refunds.push_back({{"transaction_type", "refund"}, {"amount", At(payment, "amount")}, {"payment_method_id", id}});
    if (Str(id).find("gift_card") != std::string::npos) {
      AddToBalance(&At(PaymentMethods(data, order), id), At(payment, "amount"));
    }
  }
  order["status"] = "cancelled";
  order["cancel_reason"] = kwargs["reason"];
  for (const Json& refund : refunds) order["payment_history"].push_back(refund);
  return DumpJson(order);
}

// The first item that is named more often than the order has it.
std::optional<std::string> MissingItem(const Json& order, const Json& item_ids) {
  Json have = Json::array();
  for (const Json& item : At(order, "items")) have.push_back(At(item, "item_id"));
  for (const Json& id : List(item_ids)) {
    if (Count(item_ids, id) > Count(have, id)) return Str(id);
  }
  return std::nullopt;
}

Json& ItemOf(Json& order, const Json& item_id) {
  for (Json& item : At(order, "items")) {
    if (At(item, "item_id") == item_id) return item;
  }
  throw PythonError{"list index out of range"};
}

// What the new items cost more than the old ones, or an error's text.
std::string PriceDifference(Json& data, Json& order, const Json& kwargs, Json* difference) {
  if (const auto missing = MissingItem(order, kwargs["item_ids"])) return fmt::format("Error: {} not found", *missing);
  const Json& old_ids = kwargs["item_ids"];
  const Json& new_ids = List(kwargs["new_item_ids"]);
  if (old_ids.size() != new_ids.size()) return "Error: the number of items to be exchanged should match";
  *difference = 0;
  for (size_t i = 0; i < old_ids.size(); ++i) {
    const Json& item = ItemOf(order, old_ids[i]);
    const Json& variants = At(At(data["products"], At(item, "product_id")), "variants");
    if (!Has(variants, new_ids[i]) || !Truth(At(At(variants, new_ids[i]), "available"))) {
      return fmt::format("Error: new item {} not found or available", Str(new_ids[i]));
    }
    *difference = Add(*difference, Subtract(At(At(variants, new_ids[i]), "price"), At(item, "price")));
  }
  return "";
}

std::string ExchangeItems(Json& data, const Json& kwargs) {
  if (!Has(data["orders"], kwargs["order_id"])) return "Error: order not found";
  Json& order = At(data["orders"], kwargs["order_id"]);
  if (At(order, "status") != "delivered") return "Error: non-delivered order cannot be exchanged";
  Json difference;
  if (const std::string error = PriceDifference(data, order, kwargs, &difference); !error.empty()) return error;
  difference = Round2(difference);
  const Json& payment_id = kwargs["payment_method_id"];
  Json& methods = PaymentMethods(data, order);
  if (!Has(methods, payment_id)) return "Error: payment method not found";
  const Json& method = At(methods, payment_id);
  if (At(method, "source") == "gift_card" && Less(At(method, "balance"), difference)) {
    return "Error: insufficient gift card balance to pay for the price difference";
  }
  order["status"] = "exchange requested";
  order["exchange_items"] = Sorted(kwargs["item_ids"]);
  order["exchange_new_items"] = Sorted(kwargs["new_item_ids"]);
  order["exchange_payment_method_id"] = payment_id;
  order["exchange_price_difference"] = difference;
  return DumpJson(order);
}

std::string ReturnItems(Json& data, const Json& kwargs) {
  if (!Has(data["orders"], kwargs["order_id"])) return "Error: order not found";
  Json& order = At(data["orders"], kwargs["order_id"]);
  if (At(order, "status") != "delivered") return "Error: non-delivered order cannot be returned";
  const Json& payment_id = kwargs["payment_method_id"];
  if (!Has(PaymentMethods(data, order), payment_id)) return "Error: payment method not found";
  if (Str(payment_id).find("gift_card") == std::string::npos &&
      payment_id != At(At(order, "payment_history").at(0), "payment_method_id")) {
    return "Error: payment method should be either the original payment method or a gift card";
  }
  if (MissingItem(order, kwargs["item_ids"])) return "Error: some item not found";
  order["status"] = "return requested";
  order["return_items"] = Sorted(kwargs["item_ids"]);
  order["return_payment_method_id"] = payment_id;
  return DumpJson(order);
}

std::string ModifyItems(Json& data, const Json& kwargs) {
  if (!Has(data["orders"], kwargs["order_id"])) return "Error: order not found";
  Json& order = At(data["orders"], kwargs["order_id"]);
  if (At(order, "status") != "pending") return "Error: non-pending order cannot be modified";
  Json difference;
  if (const std::string error = PriceDifference(data, order, kwargs, &difference); !error.empty()) return error;
  const Json& payment_id = kwargs["payment_method_id"];
  Json& methods = PaymentMethods(data, order);
  if (!Has(methods, payment_id)) return "Error: payment method not found";
  Json& method = At(methods, payment_id);
  if (At(method, "source") == "gift_card" && Less(At(method, "balance"), difference)) {
    return "Error: insufficient gift card balance to pay for the new item";
  }
  const bool more = Less(0, difference);
  At(order, "payment_history")
      .push_back({{"transaction_type", more ? "payment" : "refund"},
                  {"amount", Less(difference, 0) ? Subtract(0, difference) : difference},
                  {"payment_method_id", payment_id}});
  if (method["source"] == "gift_card") AddToBalance(&method, Subtract(0, difference));
  for (size_t i = 0; i < kwargs["item_ids"].size(); ++i) {
    Json& item = ItemOf(order, kwargs["item_ids"][i]);
    const Json& new_id = kwargs["new_item_ids"][i];
    const Json& variant = At(At(At(data["products"], At(item, "product_id")), "variants"), new_id);
    item["item_id"] = new_id;
    item["price"] = At(variant, "price");
    item["options"] = At(variant, "options");
  }
  order["status"] = "pending (item modified)";
  return DumpJson(order);
}

std::string ModifyPayment(Json& data, const Json& kwargs) {
  if (!Has(data["orders"], kwargs["order_id"])) return "Error: order not found";
  Json& order = At(data["orders"], kwargs["order_id"]);
  if (At(order, "status") != "pending") return "Error: non-pending order cannot be modified";
  const Json& new_id = kwargs["payment_method_id"];
  Json& methods = PaymentMethods(data, order);
  if (!Has(methods, new_id)) return "Error: payment method not found";
  Json& history = At(order, "payment_history");
  if (history.empty()) throw PythonError{"list index out of range"};
  if (history.size() > 1 || At(history[0], "transaction_type") != "payment") {
    return "Error: there should be exactly one payment for a pending order";
  }
  const Json old_id = At(history[0], "payment_method_id"), amount = At(history[0], "amount");
  if (old_id == new_id) return "Error: the new payment method should be different from the current one";
  Json& method = At(methods, new_id);
  const bool gift_card = At(method, "source") == "gift_card";
  if (gift_card && Less(At(method, "balance"), amount)) {
    return "Error: insufficient gift card balance to pay for the order";
  }
  history.push_back({{"transaction_type", "payment"}, {"amount", amount}, {"payment_method_id", new_id}});
  history.push_back({{"transaction_type", "refund"}, {"amount", amount}, {"payment_method_id", old_id}});
  if (gift_card) AddToBalance(&method, Subtract(0, amount));
  if (Str(old_id).find("gift_card") != std::string::npos) AddToBalance(&At(methods, old_id), amount);
  return DumpJson(order);
}

Json AddressOf(const Json& kwargs) {
  Json address = Json::object();
  for (const char* key : {"address1", "address2", "city", "state", "country", "zip"}) address[key] = kwargs[key];
  return address;
}

std::string ModifyOrderAddress(Json& data, const Json& kwargs) {
  if (!Has(data["orders"], kwargs["order_id"])) return "Error: order not found";
  Json& order = At(data["orders"], kwargs["order_id"]);
  if (At(order, "status") != "pending") return "Error: non-pending order cannot be modified";
  order["address"] = AddressOf(kwargs);
  return DumpJson(order);
}

std::string ModifyUserAddress(Json& data, const Json& kwargs) {
  if (!Has(data["users"], kwargs["user_id"])) return "Error: user not found";
  Json& user = At(data["users"], kwargs["user_id"]);
  user["address"] = AddressOf(kwargs);
  return DumpJson(user);
}

}  // namespace

Tools RetailTools() {
  const std::vector<std::string> exchange = {"order_id", "item_ids", "new_item_ids", "payment_method_id"};
  Tools tools = {
      {"cancel_pending_order", {{"order_id", "reason"}, CancelOrder}},
      {"exchange_delivered_order_items", {exchange, ExchangeItems}},
      {"find_user_id_by_email", {{"email"}, FindByEmail}},
      {"find_user_id_by_name_zip", {{"first_name", "last_name", "zip"}, FindByNameAndZip}},
      {"get_order_details", {{"order_id"}, GetOrder}},
      {"get_product_details", {{"product_id"}, GetProduct}},
      {"get_user_details", {{"user_id"}, GetUser}},
      {"list_all_product_types", {{}, ListProducts}},
      {"modify_pending_order_address",
       {{"order_id", "address1", "address2", "city", "state", "country", "zip"}, ModifyOrderAddress}},
      {"modify_pending_order_items", {exchange, ModifyItems}},
      {"modify_pending_order_payment", {{"order_id", "payment_method_id"}, ModifyPayment}},
      {"modify_user_address",
       {{"user_id", "address1", "address2", "city", "state", "country", "zip"}, ModifyUserAddress}},
      {"return_delivered_order_items", {{"order_id", "item_ids", "payment_method_id"}, ReturnItems}},
  };
  AddCommonTools(&tools);
  return tools;
}

}  // namespace fulgur::tau
