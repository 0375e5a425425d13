#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "envs/tau/tools.h"
#include "text/python_text.h"

namespace fulgur::tau {

namespace {

using python::DumpJson;

std::string GetUser(Json& data, const Json& kwargs) {
  const Json& users = data["users"];
  return Has(users, kwargs["user_id"]) ? DumpJson(At(users, kwargs["user_id"])) : "Error: user not found";
}

std::string GetReservation(Json& data, const Json& kwargs) {
  const Json& reservations = data["reservations"];
  const Json& id = kwargs["reservation_id"];
  return Has(reservations, id) ? DumpJson(At(reservations, id)) : "Error: user not found";
}

std::string ListAirports(Json&, const Json&) {
  static const Json airports = {
      {"SFO", "San Francisco"}, {"JFK", "New York"}, {"LAX", "Los Angeles"},  {"ORD", "Chicago"},
      {"DFW", "Dallas"},        {"DEN", "Denver"},   {"SEA", "Seattle"},      {"ATL", "Atlanta"},
      {"MIA", "Miami"},         {"BOS", "Boston"},   {"PHX", "Phoenix"},      {"IAH", "Houston"},
      {"LAS", "Las Vegas"},     {"MCO", "Orlando"},  {"EWR", "Newark"},       {"CLT", "Charlotte"},
      {"MSP", "Minneapolis"},   {"DTW", "Detroit"},  {"PHL", "Philadelphia"}, {"LGA", "LaGuardia"}};
  return DumpJson(airports);
}

bool Available(const Json& flight, const Json& date) {
  const Json& dates = At(flight, "dates");
  return Has(dates, date) && At(At(dates, date), "status") == "available";
}

// The flight without its dates, and what its record of one date says.
Json OnDate(const Json& flight, const Json& date) {
  Json result = Json::object();
  for (const auto& [key, value] : flight.items()) {
    if (key != "dates") result[key] = value;
  }
  for (const auto& [key, value] : At(At(flight, "dates"), date).items()) result[key] = value;
  return result;
}

std::string SearchDirect(Json& data, const Json& kwargs) {
  Json results = Json::array();
  for (const auto& [number, flight] : data["flights"].items()) {
    if (At(flight, "origin") == kwargs["origin"] && At(flight, "destination") == kwargs["destination"] &&
        Available(flight, kwargs["date"])) {
      results.push_back(OnDate(flight, kwargs["date"]));
    }
  }
  return DumpJson(results);
}

std::string SearchOneStop(Json& data, const Json& kwargs) {
  Json results = Json::array();
  const Json& date = kwargs["date"];
  for (const auto& [number1, first] : data["flights"].items()) {
    if (At(first, "origin") != kwargs["origin"]) continue;
    for (const auto& [number2, second] : data["flights"].items()) {
      if (At(second, "destination") != kwargs["destination"] || At(first, "destination") != At(second, "origin"))
        continue;
      const std::string arrival = Str(At(first, "scheduled_arrival_time_est"));
      Json date2 = date;
      if (arrival.find("+1") != std::string::npos) {
        const std::string text = Str(date);
        const std::string day = text.substr(text.size() - std::min<size_t>(text.size(), 2));
        if (day.empty() || day.find_first_not_of("0123456789") != std::string::npos) {
          throw PythonError{"invalid literal for int() with base 10: '" + day + "'"};
        }
        date2 = fmt::format("2024-05-{}", std::atoi(day.c_str()) + 1);
      }
      if (arrival > Str(At(second, "scheduled_departure_time_est"))) continue;
      if (!Available(first, date) || !Available(second, date2)) continue;
      Json a = OnDate(first, date),
           b = OnDate(second, date);  // the second's record is the first date's, officially too
      a["date"] = date;
      b["date"] = date2;
      results.push_back({a, b});
    }
  }
  return DumpJson(results);
}

// Sets price and places of a new flight of a reservation, if there are seats: an error's text, or none.
std::string PriceFlight(const Json& data, const Json& cabin, int64_t passengers, Json* flight) {
  const Json number = At(*flight, "flight_number"), date = At(*flight, "date");
  if (!Has(data["flights"], number)) return fmt::format("Error: flight {} not found", Str(number));
  const Json& record = At(data["flights"], number);
  if (!Has(At(record, "dates"), date)) {
    return fmt::format("Error: flight {} not found on date {}", Str(number), Str(date));
  }
  const Json& day = At(At(record, "dates"), date);
  if (At(day, "status") != "available") {
    return fmt::format("Error: flight {} not available on date {}", Str(number), Str(date));
  }
  if (Less(At(At(day, "available_seats"), cabin), passengers)) {
    return fmt::format("Error: not enough seats on flight {}", Str(number));
  }
  (*flight)["price"] = At(At(day, "prices"), cabin);
  (*flight)["origin"] = At(record, "origin");
  (*flight)["destination"] = At(record, "destination");
  return "";
}

std::string BookReservation(Json& data, const Json& kwargs) {
  Json& reservations = data["reservations"];
  if (!Has(data["users"], kwargs["user_id"])) return "Error: user not found";
  Json& user = At(data["users"], kwargs["user_id"]);
  std::string id = "HATHAT";
  if (reservations.contains(id)) id = reservations.contains("HATHAU") ? "HATHAV" : "HATHAU";
  const auto passengers = static_cast<int64_t>(List(kwargs["passengers"]).size());
  const Json& payments = List(kwargs["payment_methods"]);
  Json flights = List(kwargs["flights"]);
  Json total = 0;
  for (Json& flight : flights) {
    if (const std::string error = PriceFlight(data, kwargs["cabin"], passengers, &flight); !error.empty()) return error;
    total = Add(total, Multiply(flight["price"], passengers));
  }
  if (kwargs["insurance"] == "yes") total = Add(total, 30 * passengers);
  total = Add(total, Multiply(50, kwargs["nonfree_baggages"]));
  Json& methods = At(user, "payment_methods");
  Json paid = 0;
  for (const Json& payment : payments) {
    const Json& payment_id = At(payment, "payment_id");
    const Json& amount = At(payment, "amount");
    if (!Has(methods, payment_id)) return fmt::format("Error: payment method {} not found", Str(payment_id));
    const Json& method = At(methods, payment_id);
    const Json& source = At(method, "source");
    if ((source == "gift_card" || source == "certificate") && Less(At(method, "amount"), amount)) {
      return fmt::format("Error: not enough balance in payment method {}", Str(payment_id));
    }
    paid = Add(paid, amount);
  }
  if (paid != total) {
    return fmt::format("Error: payment amount does not add up, total price is {}, but paid {}", Str(total), Str(paid));
  }
  for (const Json& payment : payments) {
    const Json payment_id = payment["payment_id"];
    Json& method = At(methods, payment_id);
    if (method["source"] == "gift_card") {
      method["amount"] = Subtract(method["amount"], payment["amount"]);
    } else if (method["source"] == "certificate") {
      methods.erase(payment_id.get<std::string>());
    }
  }
  const Json reservation = {{"reservation_id", id},
                            {"user_id", kwargs["user_id"]},
                            {"origin", kwargs["origin"]},
                            {"destination", kwargs["destination"]},
                            {"flight_type", kwargs["flight_type"]},
                            {"cabin", kwargs["cabin"]},
                            {"flights", flights},
                            {"passengers", kwargs["passengers"]},
                            {"payment_history", payments},
                            {"created_at", "2024-05-15T15:00:00"},
                            {"total_baggages", kwargs["total_baggages"]},
                            {"nonfree_baggages", kwargs["nonfree_baggages"]},
                            {"insurance", kwargs["insurance"]}};
  reservations[id] = reservation;
  At(user, "reservations").push_back(id);
  return DumpJson(reservation);
}

std::string CancelReservation(Json& data, const Json& kwargs) {
  if (!Has(data["reservations"], kwargs["reservation_id"])) return "Error: reservation not found";
  Json& reservation = At(data["reservations"], kwargs["reservation_id"]);
  Json& history = At(reservation, "payment_history");
  Json refunds = Json::array();
  for (const Json& payment : history) {
    refunds.push_back({{"payment_id", At(payment, "payment_id")}, {"amount", Subtract(0, At(payment, "amount"))}});
  }
  for (const Json& refund : refunds) history.push_back(refund);
  reservation["status"] = "cancelled";
  return DumpJson(reservation);
}

std::string SendCertificate(Json& data, const Json& kwargs) {
  if (!Has(data["users"], kwargs["user_id"])) return "Error: user not found";
  Json& methods = At(At(data["users"], kwargs["user_id"]), "payment_methods");
  for (const char* number : {"3221322", "3221323", "3221324"}) {
    const std::string id = std::string("certificate_") + number;
    if (methods.contains(id)) continue;
    methods[id] = {{"source", "certificate"}, {"amount", kwargs["amount"]}, {"id", id}};
    return fmt::format("Certificate {} added to user {} with amount {}.", id, Str(kwargs["user_id"]),
                       Str(kwargs["amount"]));
  }
  return "None";
}

// The reservation's user's payment method, if it may pay `price`: an error's text, or none.
std::string CheckPayment(Json& data, const Json& reservation, const Json& payment_id, const Json& price,
                         Json** method) {
  Json& methods = At(At(data["users"], At(reservation, "user_id")), "payment_methods");
  if (!Has(methods, payment_id)) return "Error: payment method not found";
  *method = &At(methods, payment_id);
  const Json& source = At(**method, "source");
  if (source == "certificate") return "Error: certificate cannot be used to update reservation";
  if (source == "gift_card" && Less(At(**method, "amount"), price)) return "Error: gift card balance is not enough";
  return "";
}

void Pay(const Json& payment_id, const Json& price, Json* method, Json* reservation) {
  if ((*method)["source"] == "gift_card") (*method)["amount"] = Subtract((*method)["amount"], price);
  if (Truth(price)) At(*reservation, "payment_history").push_back({{"payment_id", payment_id}, {"amount", price}});
}

std::string UpdateBaggages(Json& data, const Json& kwargs) {
  if (!Has(data["reservations"], kwargs["reservation_id"])) return "Error: reservation not found";
  Json& reservation = At(data["reservations"], kwargs["reservation_id"]);
  const Json more = Subtract(kwargs["nonfree_baggages"], At(reservation, "nonfree_baggages"));
  const Json price = Multiply(50, Less(0, more) ? more : Json(0));
  Json* method = nullptr;
  const std::string error = CheckPayment(data, reservation, kwargs["payment_id"], price, &method);
  if (!error.empty()) return error;
  reservation["total_baggages"] = kwargs["total_baggages"];
  reservation["nonfree_baggages"] = kwargs["nonfree_baggages"];
  Pay(kwargs["payment_id"], price, method, &reservation);
  return DumpJson(reservation);
}

std::string UpdateFlights(Json& data, const Json& kwargs) {
  if (!Has(data["reservations"], kwargs["reservation_id"])) return "Error: reservation not found";
  Json& reservation = At(data["reservations"], kwargs["reservation_id"]);
  const auto passengers = static_cast<int64_t>(At(reservation, "passengers").size());
  Json flights = List(kwargs["flights"]);
  Json total = 0;
  for (Json& flight : flights) {
    // A flight that is already booked, in the same cabin, keeps its price.
    const Json* booked = nullptr;
    for (const Json& old : At(reservation, "flights")) {
      if (booked == nullptr && At(old, "flight_number") == At(flight, "flight_number") &&
          At(old, "date") == At(flight, "date") && kwargs["cabin"] == At(reservation, "cabin")) {
        booked = &old;
      }
    }
    if (booked != nullptr) {
      for (const char* key : {"price", "origin", "destination"}) flight[key] = At(*booked, key);
    } else if (const std::string error = PriceFlight(data, kwargs["cabin"], passengers, &flight); !error.empty()) {
      return error;
    }
    total = Add(total, Multiply(flight["price"], passengers));
  }
  for (const Json& old : At(reservation, "flights")) {
    total = Subtract(total, Multiply(At(old, "price"), passengers));
  }
  Json* method = nullptr;
  const std::string error = CheckPayment(data, reservation, kwargs["payment_id"], total, &method);
  if (!error.empty()) return error;
  reservation["flights"] = flights;
  Pay(kwargs["payment_id"], total, method, &reservation);
  return DumpJson(reservation);
}

std::string UpdatePassengers(Json& data, const Json& kwargs) {
  if (!Has(data["reservations"], kwargs["reservation_id"])) return "Error: reservation not found";
  Json& reservation = At(data["reservations"], kwargs["reservation_id"]);
  if (List(kwargs["passengers"]).size() != At(reservation, "passengers").size()) {
    return "Error: number of passengers does not match";
  }
  reservation["passengers"] = kwargs["passengers"];
  return DumpJson(reservation);
}

}  // namespace

Tools AirlineTools() {
  Tools tools = {
      {"book_reservation",
       {{"user_id", "origin", "destination", "flight_type", "cabin", "flights", "passengers", "payment_methods",
         "total_baggages", "nonfree_baggages", "insurance"},
        BookReservation}},
      {"cancel_reservation", {{"reservation_id"}, CancelReservation}},
      {"get_reservation_details", {{"reservation_id"}, GetReservation}},
      {"get_user_details", {{"user_id"}, GetUser}},
      {"list_all_airports", {{}, ListAirports}},
      {"search_direct_flight", {{"origin", "destination", "date"}, SearchDirect}},
      {"search_onestop_flight", {{"origin", "destination", "date"}, SearchOneStop}},
      {"send_certificate", {{"user_id", "amount"}, SendCertificate}},
      {"update_reservation_baggages",
       {{"reservation_id", "total_baggages", "nonfree_baggages", "payment_id"}, UpdateBaggages}},
      {"update_reservation_flights", {{"reservation_id", "cabin", "flights", "payment_id"}, UpdateFlights}},
      {"update_reservation_passengers", {{"reservation_id", "passengers"}, UpdatePassengers}},
  };
  AddCommonTools(&tools);
  return tools;
}

}  // namespace fulgur::tau
