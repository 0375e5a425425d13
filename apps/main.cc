// fulgur: one binary, one subcommand a file. Each subcommand parses options and calls the library.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "base/error.h"

namespace {

// What was wrong with the arguments, and where to read on.
std::string ArgumentError(const CLI::App* app, const CLI::Error& error) {
  std::string command = "fulgur";
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    command += " " + app->get_name();
  }
  return fmt::format("fulgur: {}\nsee {} --help\n", error.what(), command);
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
