package broker

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
)

// iterations of PBKDF2; the least that RFC 7677 allows, and what Kafka has: passwords are not kept in this form.
const iterations = 4096

// mechanism is one of SCRAM.
type mechanism struct {
	name string
	hash func() hash.Hash
}

var scrams = map[string]*mechanism{
	"SCRAM-SHA-256": {"SCRAM-SHA-256", sha256.New},
	"SCRAM-SHA-512": {"SCRAM-SHA-512", sha512.New},
}

func (m *mechanism) mac(key []byte, text string) []byte {
	h := hmac.New(m.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// verifier is what a server keeps of a password (RFC 5802, section 3).
type verifier struct{ salt, storedKey, serverKey []byte }

// saltKey makes the salts of this process. A name has always the same one, whether there is such a user or not and however often the file of
// users is read, so that nobody learns from it which names there are.
var saltKey = []byte(rand.Text())

func (m *mechanism) saltOf(name string) []byte { return m.mac(saltKey, "salt\n"+name)[:16] }

func newVerifier(m *mechanism, password string, salt []byte) *verifier {
	v := &verifier{salt: salt}
	salted, err := pbkdf2.Key(m.hash, password, salt, iterations, m.hash().Size())
	if err != nil {
		panic(err) // the lengths are ours
	}
	stored := m.hash()
	stored.Write(m.mac(salted, "Client Key"))
	v.storedKey, v.serverKey = stored.Sum(nil), m.mac(salted, "Server Key")
	return v
}

// strangerVerifier is that of a name without a user: no proof fits it.
func strangerVerifier(m *mechanism, name string) *verifier {
	h := m.mac(saltKey, "stranger\n"+name)
	return &verifier{salt: m.saltOf(name), storedKey: h, serverKey: h}
}

// exchange is a SCRAM login under way.
type exchange struct {
	m                  *mechanism
	*verifier          // nil before the first message
	user               string
	header, bare, told string // gs2 header and bare first message of the client, first message of the server
	nonce              string
}

var errSCRAM = errors.New("the client does not speak SCRAM as RFC 5802 has it")

// first takes the first message of the client and gives that of the server.
func (x *exchange) first(message string, verifierOf func(user string) *verifier) (string, error) {
	// gs2-cbind-flag "," [ "a=" authzid ] "," "n=" user "," "r=" nonce [ "," extensions ]
	flag, rest, _ := strings.Cut(message, ",")
	authzid, bare, ok := strings.Cut(rest, ",")
	fields := strings.Split(bare, ",")
	if !ok || (flag != "n" && flag != "y") || len(fields) < 2 {
		return "", errSCRAM
	}
	name, named := strings.CutPrefix(fields[0], "n=")
	nonce, counted := strings.CutPrefix(fields[1], "r=")
	user, plain := unescape(name)
	if !named || !counted || !plain || user == "" || len(user) > maxUserName || nonce == "" || (authzid != "" && authzid != "a="+name) {
		return "", errSCRAM
	}
	x.user, x.header, x.bare, x.nonce = user, flag+","+authzid+",", bare, nonce+rand.Text()
	x.verifier = verifierOf(user)
	x.told = "r=" + x.nonce + ",s=" + base64.StdEncoding.EncodeToString(x.salt) + ",i=" + strconv.Itoa(iterations)
	return x.told, nil
}

// last takes the last message of the client and gives that of the server; the error of a wrong proof is errProof.
func (x *exchange) last(message string) (string, error) {
	// "c=" base64 of the gs2 header "," "r=" nonce [ "," extensions ] "," "p=" base64 of the proof
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return "", errSCRAM
	}
	without, fields := message[:at], strings.Split(message[:at], ",")
	proof, err := base64.StdEncoding.DecodeString(message[at+3:])
	if err != nil || len(fields) < 2 || fields[0] != "c="+base64.StdEncoding.EncodeToString([]byte(x.header)) || fields[1] != "r="+x.nonce {
		return "", errSCRAM
	}
	signed := x.bare + "," + x.told + "," + without
	signature := x.m.mac(x.storedKey, signed)
	if len(proof) != len(signature) {
		return "", errProof
	}
	for i := range proof {
		proof[i] ^= signature[i]
	}
	stored := x.m.hash()
	stored.Write(proof)
	if !hmac.Equal(stored.Sum(nil), x.storedKey) {
		return "", errProof
	}
	return "v=" + base64.StdEncoding.EncodeToString(x.m.mac(x.serverKey, signed)), nil
}

var errProof = errors.New("the user is not known, or the password is wrong")

// unescape reads a name in which =2C is a comma and =3D an equals sign.
func unescape(name string) (string, bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(name, "=")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), true
		case strings.HasPrefix(after, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			b.WriteByte('=')
		default:
			return "", false
		}
		name = after[2:]
	}
}
