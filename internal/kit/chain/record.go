package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Seal chains a record behind the one that has the hash prev. It returns what is written to the log, at most limit bytes of canonical JSON, which
// is the keys of every object in order, no blanks, and numbers as they are; and the hash, which covers everything else in the text.
func Seal(record any, prev string, limit int) (text []byte, hash string, err error) {
	raw, err := json.Marshal(record)
	if err != nil {
		return nil, "", err
	}
	fields, err := parse(raw)
	if err != nil {
		return nil, "", err
	}
	fields["prev_hash"] = prev
	if hash, err = hashOf(fields); err != nil {
		return nil, "", err
	}
	fields["hash"] = hash
	if text, err = canonical(fields); err == nil && len(text) > limit {
		err = fmt.Errorf("it has %d bytes; at most %d are written", len(text), limit)
	}
	return text, hash, err
}

// Unseal proves that a text of at most limit bytes is as Seal wrote it, and reads it into record.
func Unseal(text []byte, record any, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("it has %d bytes; a record has at most %d", len(text), limit)
	}
	fields, err := parse(text)
	if err != nil {
		return err
	}
	if again, err := canonical(fields); err != nil || !bytes.Equal(again, text) {
		return errors.New("it is not canonical JSON")
	}
	sum, err := hashOf(fields)
	if err != nil {
		return err
	}
	if sum != fields["hash"] {
		return fmt.Errorf("its hash is %.80v, but its content has %s", fields["hash"], sum)
	}
	return json.Unmarshal(text, record)
}

func parse(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	if fields == nil || d.More() {
		return nil, errors.New("it is not one JSON object")
	}
	return fields, nil
}

// hashOf is sha256 over the canonical JSON without the hash itself.
func hashOf(fields map[string]any) (string, error) {
	bare := make(map[string]any, len(fields))
	for k, v := range fields {
		if k != "hash" {
			bare[k] = v
		}
	}
	text, err := canonical(bare)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// canonical relies on package json, which sorts the keys of maps.
func canonical(fields map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(fields); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
