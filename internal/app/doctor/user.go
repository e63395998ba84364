package doctor

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// userName is the name of a user in /etc/passwd, else the number. Directories over the network are not asked: a check must not hang there.
func userName(uid int) string {
	number := strconv.Itoa(uid)
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return "user " + number
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if f := strings.Split(lines.Text(), ":"); len(f) > 2 && f[2] == number {
			return f[0]
		}
	}
	return "user " + number
}
