#include "controller/status/document.h"

#include <cstdint>

#include "controller/status/text.h"
#include "state/model/digest.h"

namespace nelson::status {
namespace {

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ground:#f7f8f7;--sheet:#fff;--ink:#1b2126;--soft:#56616b;--line:#dfe3e1;--blue:#1f5fa8;--bar:#2f6fb7;
--old1:#8aa4bd;--old2:#b3a58a;--old3:#a3b59a;--red:#a61b14;--redbg:#fdf0ee;--amber:#7a5200;--amberbg:#fdf6e3;--green:#17663c;--code:#eef1f0}
@media(prefers-color-scheme:dark){:root{--ground:#14181b;--sheet:#1b2024;--ink:#e4e8ea;--soft:#9aa6af;--line:#30373d;--blue:#8cbcf0;--bar:#4d8fd6;
--old1:#5b7086;--old2:#7d7058;--old3:#5d7155;--red:#ff9c92;--redbg:#2c1c1b;--amber:#eec36a;--amberbg:#282318;--green:#7fd3a4;--code:#262d32}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:14px/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}
a{color:var(--blue);text-decoration:none}a:hover,a:focus{text-decoration:underline}:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
header,main,footer{max-width:1240px;margin:0 auto;padding:0 20px}
header{padding-top:14px;display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 16px}
header .name{font-weight:600;color:var(--soft)}h1{font-size:19px;line-height:1.3;margin:0;font-weight:600;flex:1 1 auto}
h1.error{color:var(--red)}h1.calm{color:var(--green)}
.meta{color:var(--soft);font-size:12.5px}
h2{font-size:12px;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);margin:16px 0 6px;font-weight:600}
section{background:var(--sheet);border:1px solid var(--line);border-radius:8px;overflow-x:auto}
section.error{border-left:4px solid var(--red)}section.warning{border-left:4px solid var(--amber)}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:6px 12px;overflow-wrap:anywhere}
thead th{font-size:12px;font-weight:600;color:var(--soft);border-bottom:1px solid var(--line);white-space:nowrap;padding-bottom:4px}
tbody+tbody,tbody.lines tr+tr{border-top:1px solid var(--line)}tbody th{font-weight:600}
.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}.short{white-space:nowrap}
small,.soft{color:var(--soft);font-weight:400;font-size:12.5px}small{display:block}
code{font:12.5px/1.35 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;background:var(--code);border-radius:3px;padding:0 4px;overflow-wrap:anywhere}
pre{font:12.5px/1.35 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;margin:3px 0 0;overflow-x:auto;width:0;min-width:100%}
tr.error th{color:var(--red)}tr.warning th{color:var(--amber)}tr.error{background:var(--redbg)}tr.warning{background:var(--amberbg)}
.way{font-weight:500}
.bar{display:flex;height:16px;margin:5px 0 2px;border-radius:4px;overflow:hidden;background:var(--line);max-width:230px;font-size:11px;line-height:16px;color:#fff}
.bar span{display:block;overflow:hidden;white-space:nowrap;text-align:center}
.c0{background:var(--bar)}.c1{background:var(--old1)}.c2{background:var(--old2)}.c3{background:var(--old3)}
.dot{display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:6px}.none{background:transparent;border:1px solid var(--line)}
.state{white-space:nowrap}.state.bad{color:var(--red);font-weight:600}.state.busy{color:var(--amber)}.state.good{color:var(--green)}
.wanted{font-weight:600}.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 18px}@media(max-width:900px){.pair{grid-template-columns:1fr}section>table{min-width:720px}}
.pair>div{min-width:0}.empty{padding:12px;margin:0}.more{padding:6px 12px;margin:0;border-top:1px solid var(--line)}
form{display:inline}input{font:inherit;color:inherit;background:var(--sheet);border:1px solid var(--line);border-radius:4px;padding:1px 6px;width:160px}
h2 form{text-transform:none;letter-spacing:0;font-weight:400;float:right}footer{padding-top:14px;padding-bottom:24px;color:var(--soft);font-size:12.5px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0;padding:10px 12px}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
)css";

/// The sheet with a class for each whole percent: style attributes would need a policy that lets any style in.
std::string make_style() {
  std::string style(kStyle);
  for (int percent = 0; percent <= 100; ++percent)
    style += ".w" + std::to_string(percent) + "{width:" + std::to_string(percent) + "%}";
  return style;
}

std::string base64(const Digest& digest) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t byte : digest.bytes) {
    bits = (bits << 8U) | byte;
    for (count += 8; count >= 6; count -= 6) out += kDigits[(bits >> (count - 6)) & 0x3fU];
  }
  if (count > 0) out += kDigits[(bits << (6 - count)) & 0x3fU];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

std::string policy_for(std::string_view style) {
  return "default-src 'none'; style-src 'sha256-" + base64(sha256(style)) +
         "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
}

}  // namespace

Content document(std::string_view title, std::string_view body, int refresh) {
  static const std::string style = make_style();
  static const std::string policy = policy_for(style);
  Content content;
  content.type = "text/html; charset=utf-8";
  content.fields.emplace_back("Content-Security-Policy", policy);
  std::string& out = content.body;
  out.reserve(style.size() + body.size() + 512);
  out += "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">";
  if (refresh > 0) out += "<meta http-equiv=\"refresh\" content=\"" + std::to_string(refresh) + "\">";
  out += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>";
  append_html(out, title);
  out += "</title><style>" + style + "</style></head><body>\n";
  out += body;
  out += "</body></html>\n";
  return content;
}

void append_prose(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t open = text.find('`');
    const std::size_t close = open == std::string_view::npos ? open : text.find('`', open + 1);
    if (close == std::string_view::npos) break;
    append_html(out, text.substr(0, open));
    out += "<code>";
    append_html(out, text.substr(open + 1, close - open - 1));
    out += "</code>";
    text.remove_prefix(close + 1);
  }
  append_html(out, text);
}

}  // namespace nelson::status
