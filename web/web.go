// Package web holds the pages of the dashboards as they are sent to browsers: pages with holes, style sheets and ES modules that
// need no build step. Nothing in it loads anything from another host, and no page has inline script or style.
//
// FS has the pages at its root and everything that browsers load under static/. The binary that make builds holds it joined,
// minified and compressed (tag packed, command web/pack).
package web
