package deliver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Signature is the header webhook-signature of Standard Webhooks: HMAC-SHA256 over id, time and body. Secrets are whsec_ and base64, as the
// standard has it, or any other text as it is; several, with spaces between, are for changing one: the other side may know either.
func Signature(secrets, id string, at time.Time, body []byte) (string, error) {
	var signatures []string
	for one := range strings.FieldsSeq(secrets) {
		key, err := signingKey(one)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " "), nil
}

func signingKey(text string) ([]byte, error) {
	coded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		return nil, errors.New("what follows on whsec_ is no base64")
	}
	return key, nil
}
