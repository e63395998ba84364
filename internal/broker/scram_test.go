package broker

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// TestSCRAMAsWritten is the example of RFC 7677, section 3.
func TestSCRAMAsWritten(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	m := scrams["SCRAM-SHA-256"]
	const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	x := &exchange{
		m: m, verifier: newVerifier(m, "pencil", salt), user: "user", header: "n,,", bare: "n=user,r=rOprNGfwEbeRWgbNEkqO", nonce: nonce,
		told: "r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	}
	answer, err := x.last("c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	if err != nil || answer != "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("%q, %v", answer, err)
	}
	if _, err := x.last("c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVA="); !errors.Is(err, errProof) {
		t.Errorf("a wrong proof: %v", err)
	}
}

func TestSCRAMRefusesWhatItDoesNotRead(t *testing.T) {
	m := scrams["SCRAM-SHA-512"]
	known := func(string) *verifier { return newVerifier(m, "pencil", []byte("0123456789abcdef")) }
	for _, message := range []string{
		"", "n", "n,", "n,,", "n,,n=user", "n,,r=x,n=user", "n,,n=,r=x", "n,,n=user,r=", "p=tls-unique,,n=user,r=x", "x,,n=user,r=x", "n,a=other,n=user,r=x",
		"n,,m=ext,n=user,r=x", "n,,n=us=er,r=x", "n,,n=" + strings.Repeat("u", maxUserName+1) + ",r=x",
	} {
		if answer, err := (&exchange{m: m}).first(message, known); err == nil {
			t.Errorf("first message %q is answered %q", message, answer)
		}
	}
	x := &exchange{m: m}
	if _, err := x.first("n,a=us=2Cer,n=us=2Cer,r=x,tokenauth=false", known); err != nil || x.user != "us,er" {
		t.Fatalf("%q, %v", x.user, err)
	}
	for _, message := range []string{
		"", "p=", ",p=", "c=biws,r=x,p=AAAA", "c=biws,r=" + x.nonce, "c=biws,r=" + x.nonce + ",p=*", "c=biws,r=" + x.nonce + ",p=AAAA",
		"r=" + x.nonce + ",c=biws,p=AAAA",
	} {
		if answer, err := x.last(message); err == nil {
			t.Errorf("last message %q is answered %q", message, answer)
		}
	}
}

// FuzzSCRAM: nobody who does not know the password is let in, whatever he says.
func FuzzSCRAM(f *testing.F) {
	f.Add("n,,n=user,r=x", "c=biws,r=x,p=AAAA")
	f.Add("y,a=user,n=user,r=x,e=1", "c=eSws,r=x,x=1,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	m := scrams["SCRAM-SHA-256"]
	v := newVerifier(m, "pencil", []byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, first, last string) {
		x := &exchange{m: m}
		if _, err := x.first(first, func(string) *verifier { return v }); err != nil {
			return
		}
		last = strings.Replace(last, "r=x", "r="+x.nonce, 1)
		if answer, err := x.last(last); err == nil {
			t.Errorf("%q and %q are answered %q", first, last, answer)
		}
	})
}
