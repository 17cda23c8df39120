"""The report's style sheet: light and dark by the reader's setting, phone width first, no fonts or files from elsewhere."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --paper:#fbfaf7; --card:#ffffff; --ink:#20242c; --soft:#5b6270; --line:#dddad2;
  --bar:#3b6fb6; --track:#e8e5dd; --left:#1d6fd1; --right:#c8570a; --mixed:#7b5aa6; --box:#b08968;
  --goal:#2a9d5c; --bad:#c22f3d; }
@media (prefers-color-scheme: dark) { :root { --paper:#15181d; --card:#1e2229; --ink:#e9e8e3; --soft:#a3aab6; --line:#363c47;
  --bar:#7fb0f2; --track:#323845; --left:#69a9f8; --right:#f59a55; --mixed:#b79ae0; --box:#8a6d53;
  --goal:#4cc584; --bad:#f2707c; } }
* { box-sizing:border-box; }
body { margin:0 auto; max-width:68rem; padding:1.25rem 1rem 4rem; background:var(--paper); color:var(--ink);
  font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans KR","Apple SD Gothic Neo",sans-serif; }
h1 { font-size:1.1rem; font-weight:600; color:var(--soft); margin:0 0 .75rem; }
h2 { font-size:1.25rem; margin:2.75rem 0 .75rem; line-height:1.25; }
h3 { font-size:1rem; margin:1.5rem 0 .5rem; }
p { margin:.5rem 0; max-width:44rem; }
.headline { font-size:1.5rem; line-height:1.35; font-weight:600; max-width:48rem; margin:0 0 .5rem; text-wrap:pretty; }
.keep, data { white-space:nowrap; }
.soft, figcaption, caption, .small { color:var(--soft); font-size:.875rem; }
.scroll { overflow-x:auto; border:1px solid var(--line); border-radius:.5rem; background:var(--card); }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; }
caption { text-align:left; padding:.6rem .75rem .2rem; }
th, td { padding:.4rem .75rem; text-align:right; border-top:1px solid var(--line); vertical-align:middle; white-space:nowrap; }
thead th { border-top:0; color:var(--soft); font-weight:500; font-size:.8125rem; }
th[scope=row], thead th:first-child, thead th.left { text-align:left; font-weight:500; }
tr.main th, tr.main td { font-weight:700; } tr.main .small { font-weight:400; }
td.words { text-align:left; white-space:normal; min-width:9rem; }
td.interval { min-width:8.5rem; text-align:left; }
td.interval svg { display:block; width:100%; height:.75rem; margin-top:.15rem; }
.grid { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(100%,13rem),1fr)); gap:1rem; }
.grid.wide { grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr)); }
.grid.tracks { grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr)); }
figure { margin:0; padding:.6rem; background:var(--card); border:1px solid var(--line); border-radius:.5rem; min-width:0; }
figure img { display:block; max-width:100%; height:auto; border-radius:.25rem; }
figure img + svg.floor, figure svg.floor + img { margin-top:.5rem; }
svg.floor { display:block; width:100%; max-height:16rem; }
figcaption { margin-top:.4rem; overflow-wrap:anywhere; line-height:1.4; }
figcaption b { color:var(--ink); font-weight:600; }
.key { display:flex; flex-wrap:wrap; gap:.25rem 1.1rem; padding:0; margin:.5rem 0 1rem; list-style:none; font-size:.875rem; }
.key svg { width:1.6rem; height:.8rem; vertical-align:-.05rem; margin-right:.35rem; }
dl { display:grid; grid-template-columns:max-content 1fr; gap:.25rem 1.25rem; margin:.5rem 0; }
dt { font-weight:600; } dd { margin:0; color:var(--soft); overflow-wrap:anywhere; }
svg.track { display:block; width:100%; height:auto; }
@media (max-width:30rem) { .headline { font-size:1.25rem; } dl { grid-template-columns:1fr; gap:0; } dd { margin-bottom:.5rem; }
  table { font-size:.875rem; } th, td { padding:.35rem .45rem; }
  td.interval { min-width:7.5rem; } .grid { grid-template-columns:1fr 1fr; gap:.6rem; }
  .grid.wide, .grid.tracks { grid-template-columns:1fr; } }
@media print { body { max-width:none; } figure, tr { break-inside:avoid; } }
"""
