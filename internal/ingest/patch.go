package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// mergePatch applies an RFC 7396 merge patch to a JSON document. Numbers keep their digits; members come out in the order of their
// names. What is not JSON in UTF-8 cannot be patched.
func mergePatch(doc, patch []byte) ([]byte, error) {
	if !utf8.Valid(doc) {
		return nil, errors.New("the payload is not UTF-8, so it cannot be patched")
	}
	target, err := decodeJSON(doc)
	if err != nil {
		return nil, fmt.Errorf("the payload is not JSON, so it cannot be patched: %w", err)
	}
	change, err := decodeJSON(patch)
	if err != nil {
		return nil, fmt.Errorf("the patch is not JSON: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(merge(target, change)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// merge is MergePatch of RFC 7396, section 2.
func merge(target, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, v := range change {
		if v == nil {
			delete(object, name)
		} else {
			object[name] = merge(object[name], v)
		}
	}
	return object
}

func decodeJSON(b []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows on the value")
	}
	return v, nil
}
