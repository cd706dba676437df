// html: what the command's pages have in common: one style sheet, which follows a dark desktop, and text that may come from anywhere.
#pragma once

#include <ostream>
#include <string>

#include <regnet/base/foreign_text.hpp>

#include "svg.hpp"

inline constexpr const char* page_style = R"(
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#fff;--card:#f5f7fa;--rule:#d9dfe7;--good:#3b82c4;--bad:#d23f4c}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--paper:#14181e;--card:#1d232b;--rule:#323b47}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.3rem}
p.soft,td.soft,figcaption{color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:.8rem;margin:1.2rem 0}
.card{background:var(--card);border-radius:8px;padding:.8rem 1rem}.card b{display:block;font-size:1.7rem;font-weight:600;line-height:1.2}.card.verdict b{font-size:1.25rem}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.8rem}
figure{margin:0;background:var(--card);border-radius:8px;padding:.6rem;overflow-wrap:anywhere;font-size:.85rem}
figure img{display:block;height:96px;max-width:100%;margin:0 auto .4rem;object-fit:contain;image-rendering:auto}
table{border-collapse:collapse;font-size:.85rem}td{padding:.15rem 1rem .15rem 0;vertical-align:top;overflow-wrap:anywhere}td.soft{white-space:nowrap}
svg{max-width:100%;height:auto;color:var(--ink)}
)";

inline std::string html(const std::string& text) { return escaped(regnet::one_line(text)); }

// Up to the page's first heading. `more_style` is for what no other page has.
inline void begin_page(std::ostream& out, const std::string& title, const char* more_style) {
  out << "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" "
         "content=\"width=device-width,initial-scale=1\"/><title>"
      << html(title) << "</title><style>" << page_style << more_style << "</style></head><body>\n<h1>" << html(title) << "</h1>\n";
}

inline void end_page(std::ostream& out) { out << "</body></html>\n"; }
