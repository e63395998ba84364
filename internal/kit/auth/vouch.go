package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// Voucher lets this process speak for somebody when it passes his request on to another of its own services, and asks something itself. What it
// says is signed with a key that no other process has, and holds for half a minute.
type Voucher struct {
	key [32]byte
	now func() time.Time
}

// NewVoucher makes the voucher of a process.
func NewVoucher(now func() time.Time) *Voucher {
	v := &Voucher{now: now}
	_, _ = rand.Read(v.key[:]) // never fails
	return v
}

const (
	voucherPrefix = "hxpv."
	voucherLife   = 30 * time.Second
	maxVoucher    = 4 << 10
)

// claim is what is signed.
type claim struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Scopes Scopes `json:"scopes"`
	Tenant string `json:"tenant"`
	Until  int64  `json:"until"` // unix seconds
}

// For is the value of the header Authorization of a request on behalf of p.
func (v *Voucher) For(p *Principal) string {
	text, err := json.Marshal(claim{p.ID, p.Name, p.Scopes, p.Tenant, v.now().Add(voucherLife).Unix()})
	if err != nil {
		panic(err) // texts always encode
	}
	body := base64.RawURLEncoding.EncodeToString(text)
	return "Bearer " + voucherPrefix + body + "." + v.sign(body)
}

func (v *Voucher) sign(body string) string {
	mac := hmac.New(sha256.New, v.key[:])
	mac.Write([]byte("hxp voucher 1\n" + body))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Authenticate is part of Authenticator.
func (v *Voucher) Authenticate(r *http.Request) (*Principal, error) {
	text, given, err := Bearer(r)
	if err != nil || !given {
		return nil, err
	}
	rest, ours := strings.CutPrefix(text, voucherPrefix)
	if !ours {
		return nil, nil
	}
	body, signature, _ := strings.Cut(rest, ".")
	if len(rest) > maxVoucher || !hmac.Equal([]byte(signature), []byte(v.sign(body))) {
		return nil, &Refusal{Unknown, "this was not signed by this process"}
	}
	var c claim
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	switch {
	case err != nil: // it was signed, so it is a mistake of this program
		return nil, &Refusal{Malformed, "this cannot be read: " + err.Error()}
	case v.now().Unix() >= c.Until:
		return nil, &Refusal{Expired, "this was good for half a minute, which is over"}
	}
	return &Principal{ID: c.ID, Name: c.Name, Scopes: c.Scopes, Tenant: c.Tenant}, nil
}
