package rule

// DecodeOne reads exactly one rule, the one of a name. The text may leave the name out.
func DecodeOne(data []byte, name string) (*Rule, []Fault) {
	root, fault := parse(data)
	if fault != nil {
		return nil, []Fault{*fault}
	}
	d := decoder{lines: map[string]int{}}
	if root.kind == listNode {
		d.fault(root, "", "a list stands here; one rule belongs here")
		return nil, d.faults
	}
	if root.kind == mapNode && !root.has("name") {
		root.keys = append(root.keys, &node{kind: textNode, text: "name", line: root.line})
		root.items = append(root.items, &node{kind: textNode, text: name, line: root.line})
	}
	r, ok := d.rule(root, "")
	if ok && r.Name != name && len(d.faults) == 0 {
		d.fault(root, "/name", "the rule calls itself %s, the path %s", quote(r.Name), quote(name))
	}
	if len(d.faults) > 0 {
		return nil, d.faults
	}
	return r, nil
}

func (n *node) has(key string) bool {
	for _, k := range n.keys {
		if k.text == key {
			return true
		}
	}
	return false
}
