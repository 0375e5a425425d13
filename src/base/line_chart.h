// A chart of lines as an SVG picture: for documents and reports that are files of their own.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace fulgur {

struct LineChart {
  struct Line {
    std::string name;
    std::vector<double> x, y;       // the same number; y that is not finite leaves a gap
    std::vector<double> low, high;  // a band around y: as many, or none
  };
  std::string title;  // below the x axis: what is drawn against what
  std::vector<Line> lines;
  // How ticks are written; empty: in general form.
  std::function<std::string(double)> x_label, y_label;
  bool from_zero = true;  // the y axis begins at 0

  // Throws nothing; without any point the axes run from 0 to 1.
  std::string Svg() const;
};

// Steps of 1, 2 or 5 times a power of ten, so that about `count` of them span `range` (> 0).
double NiceStep(double range, int count);

}  // namespace fulgur
