package jsonschema

import "fmt"

func (c *comparer) arrays(w, r map[string]any, at string, depth int) {
	c.bounds(w, r, at, "minItems", "maxItems")
	c.same(w, r, at, "contains", "minContains", "maxContains", "unevaluatedItems")
	if unique, _ := r["uniqueItems"].(bool); unique && w["uniqueItems"] != true {
		c.report(at, "items must be unique now")
	}
	wFirst, wRest := items(w)
	rFirst, rRest := items(r)
	pick := func(first []any, rest any, i int) any {
		if i < len(first) {
			return first[i]
		}
		return rest
	}
	n := max(len(wFirst), len(rFirst))
	for i := range n {
		c.subset(pick(wFirst, wRest, i), pick(rFirst, rRest, i), fmt.Sprintf("%s/items/%d", at, i), depth+1)
	}
	c.subset(wRest, rRest, at+"/items", depth+1)
}

// items are the schemas of the first items and that of all others, in the words of any draft.
func items(o map[string]any) (first []any, rest any) {
	rest = true
	if list, ok := o["prefixItems"].([]any); ok {
		first = list
	}
	switch v := o["items"].(type) {
	case []any:
		first = v
		if more, ok := o["additionalItems"]; ok {
			rest = more
		}
	case nil:
	default:
		rest = v
	}
	return first, rest
}
