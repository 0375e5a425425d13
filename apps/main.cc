// fulgur: one binary, one subcommand a file. Each subcommand parses options and calls the library.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "base/error.h"
#include "base/nearest.h"

namespace {

// The first argument that the command cannot take, with the name that it was to be; empty if there is none.
std::string Unexpected(const CLI::App& app) {
  const std::vector<std::string> arguments = app.remaining();
  if (arguments.empty()) return "";
  const auto option =
      std::find_if(arguments.begin(), arguments.end(), [](const std::string& a) { return a.starts_with("--"); });
  if (option != arguments.end()) {
    const std::string name = option->substr(0, option->find('='));
    std::vector<std::string> names;
    for (const CLI::Option* known : app.get_options()) {
      for (const std::string& one : known->get_lnames()) names.push_back("--" + one);
    }
    return fmt::format("there is no option {}{}", name, fulgur::DidYouMean(name, names));
  }
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  if (names.empty()) return fmt::format("\"{}\" is one argument too many", arguments.front());
  return fmt::format("there is no command \"{}\"{}", arguments.front(), fulgur::DidYouMean(arguments.front(), names));
}

// What was wrong with the arguments, and where to read on.
std::string ArgumentError(const CLI::App* app, const CLI::Error& error) {
  std::string command = "fulgur";
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    command += " " + app->get_name();
  }
  const std::string unexpected = Unexpected(*app);
  return fmt::format("fulgur: {}\nsee {} --help\n", unexpected.empty() ? error.what() : unexpected, command);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Fulgur runs and trains models of the MiniMax-M1 architecture."};
  app.require_subcommand(0, 1);  // none is an error too, but after what was typed instead of one
  app.set_version_flag("--version", FULGUR_VERSION);
  app.failure_message(ArgumentError);
  fulgur::AddCommands(app);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) throw CLI::RequiredError("A subcommand");
    for (const std::function<void()>& action : fulgur::ChosenActions()) action();
    if (std::fflush(stdout) != 0) throw fulgur::Error("standard output: cannot write");
    return 0;
  } catch (const fulgur::StoppedBySignal& stopped) {
    return stopped.status;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 1;  // prints help, version or what was wrong
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fulgur: %s\n", e.what());
    return 1;
  }
}
