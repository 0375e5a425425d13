#include "base/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace fulgur {
namespace {

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

double NiceStep(double range, int count) {
  const double raw = range / count, power = std::pow(10, std::floor(std::log10(raw)));
  const double part = raw / power;
  return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

std::string LineChart::Svg() const {
  constexpr double kWidth = 820, kHeight = 420, kLeft = 70, kRight = 220, kTop = 20, kBottom = 50;
  constexpr int kTicks = 5;
  constexpr const char* kColors[] = {"#c0392b", "#1f618d", "#239b56", "#e59866",
                                     "#6c3483", "#7fb3d5", "#7d6608", "#333"};
  double x_low = std::numeric_limits<double>::infinity(), x_high = -x_low, y_low = x_low, y_high = -x_low;
  for (const Line& line : lines) {
    for (size_t i = 0; i < line.x.size(); ++i) {
      x_low = std::min(x_low, line.x[i]);
      x_high = std::max(x_high, line.x[i]);
      for (const double y :
           {line.y[i], line.low.empty() ? line.y[i] : line.low[i], line.high.empty() ? line.y[i] : line.high[i]}) {
        if (!std::isfinite(y)) continue;
        y_low = std::min(y_low, y);
        y_high = std::max(y_high, y);
      }
    }
  }
  if (!(x_low < x_high)) x_high = (x_low = std::isfinite(x_low) ? x_low : 0) + 1;
  if (from_zero) y_low = std::min(y_low, 0.0);
  if (!(y_low < y_high)) y_high = (y_low = std::isfinite(y_low) ? y_low : 0) + 1;
  const double x_step = NiceStep(x_high - x_low, kTicks), y_step = NiceStep(y_high - y_low, kTicks);
  y_low = std::floor(y_low / y_step + 1e-9) * y_step;
  y_high = std::ceil(y_high / y_step - 1e-9) * y_step;
  const auto x = [&](double v) { return kLeft + (kWidth - kLeft - kRight) * (v - x_low) / (x_high - x_low); };
  const auto y = [&](double v) {
    return kHeight - kBottom - (kHeight - kTop - kBottom) * (v - y_low) / (y_high - y_low);
  };
  const auto label = [](const std::function<std::string(double)>& text, double v) {
    return Escaped(text ? text(v) : fmt::format("{:.6g}", v));
  };

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\" "
      "fill=\"#444\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      kWidth, kHeight);
  for (double v = y_low; v < y_high + y_step / 2; v += y_step) {
    const double tick = std::abs(v) < y_step / 2 ? 0 : v;
    svg += fmt::format(
        "<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"#ddd\"/><text x=\"{:.1f}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{}</text>\n",
        kLeft, y(tick), kWidth - kRight, kLeft - 8, y(tick) + 4, label(y_label, tick));
  }
  for (double v = std::ceil(x_low / x_step - 1e-9) * x_step; v <= x_high + x_step * 1e-9; v += x_step) {
    const double tick = std::abs(v) < x_step / 2 ? 0 : v;
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", x(tick),
                       kHeight - kBottom + 18, label(x_label, tick));
  }
  svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 8, Escaped(title));
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    const char* color = kColors[i % std::size(kColors)];
    if (!line.low.empty() && !line.x.empty()) {
      std::string area;
      for (size_t p = 0; p < line.x.size(); ++p) area += fmt::format("{:.1f},{:.1f} ", x(line.x[p]), y(line.high[p]));
      for (size_t p = line.x.size(); p-- > 0;) area += fmt::format("{:.1f},{:.1f} ", x(line.x[p]), y(line.low[p]));
      svg += fmt::format("<polygon points=\"{}\" fill=\"{}\" opacity=\"0.12\"/>\n", area, color);
    }
    std::string points;
    const auto flush = [&] {
      if (!points.empty()) {
        svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", points, color);
      }
      points.clear();
    };
    for (size_t p = 0; p < line.x.size(); ++p) {
      if (std::isfinite(line.y[p])) {
        points += fmt::format("{:.1f},{:.1f} ", x(line.x[p]), y(line.y[p]));
      } else {
        flush();
      }
    }
    flush();
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\">{}</text>\n", kWidth - kRight + 16,
                       kTop + 14 + 20 * static_cast<double>(i), color, Escaped(line.name));
  }
  return svg + "</svg>\n";
}

}  // namespace fulgur
