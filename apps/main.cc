// fulgur: one binary, one subcommand a file. Each subcommand parses options and calls the library.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "apps/commands.h"

int main(int argc, char** argv) {
  CLI::App app{"Fulgur runs, serves and trains MiniMax-M1 models."};
  app.require_subcommand(0, 1);  // none is an error too, but after what was typed instead of one
  app.set_version_flag("--version", FULGUR_VERSION);
  fulgur::AddCommands(app);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) throw CLI::RequiredError("A subcommand");
    return 0;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 1;  // prints help, version or what was wrong
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fulgur: %s\n", e.what());
    return 1;
  }
}
