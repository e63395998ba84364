package minify

import "testing"

func TestFile(t *testing.T) {
	for _, c := range [][3]string{
		{"a.js", "// a remark\nimport { x } from \"./y.js\";\nexport function shown(first) {\n  const local = `a\n  // kept`;\n  return x(first, local);\n}\n", "import{x as t}from\"./y.js\";export function shown(o){return t(o,`a\n  // kept`)}\n"},
		{"a.css", "/* a */\n.x {\n  color: #ffffff;\n}\n", ".x{color:#fff}\n"},
		{"vendor/a.js", "let  a ;\n", "let  a ;\n"},
		{"a.svg", "  <svg/>\n", "  <svg/>\n"},
	} {
		got, err := File(c[0], []byte(c[1]))
		if err != nil || string(got) != c[2] {
			t.Errorf("%s: %q, %v, not %q", c[0], got, err, c[2])
		}
	}
	if _, err := File("b.js", []byte("let a\nlet b = ;\n")); err == nil || err.Error() != "b.js:2:8: Unexpected \";\"" {
		t.Errorf("what is no script: %v", err)
	}
}
