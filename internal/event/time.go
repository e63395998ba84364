package event

import "fmt"

// maxMicros is the end of the year 9999 in microseconds since the epoch, exclusive.
const maxMicros int64 = 253402300800 * 1e6

const microsPerDay int64 = 86400 * 1e6

// ParseTime reads an RFC 3339 time ("2026-05-01T12:00:00.25Z", "2026-05-01t14:00:00+02:00") as microseconds since the epoch;
// digits beyond the microsecond are cut off, never rounded into the next second. Times before 1970 or after 9999 are
// refused, as are leap seconds.
func ParseTime(s string) (int64, error) {
	us, ok := parseTime(s)
	if !ok {
		return 0, fmt.Errorf("%s is not an RFC 3339 time from 1970 to 9999; write it like 2026-05-01T12:00:00Z", quote(s))
	}
	return us, nil
}

func parseTime(s string) (int64, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10]|0x20 != 't' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	century, year2, month, day := two(s, 0), two(s, 2), two(s, 5), two(s, 8)
	hour, minute, second := two(s, 11), two(s, 14), two(s, 17)
	if (century|year2|month|day|hour|minute|second) < 0 || month == 0 || month > 12 || day == 0 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	year := century*100 + year2
	if day > 28 && day > daysIn(year, month) {
		return 0, false
	}
	fraction, i, ok := fractionMicros(s, 19)
	if !ok {
		return 0, false
	}
	offset, ok := offsetSeconds(s[i:])
	if !ok {
		return 0, false
	}
	seconds := int64(daysFromCivil(year, month, day))*86400 + int64(hour*3600+minute*60+second) - int64(offset)
	us := seconds*1e6 + fraction
	return us, us >= 0 && us < maxMicros
}

// fractionMicros reads an optional ".digits" at s[i:] and returns the index behind it.
func fractionMicros(s string, i int) (us int64, end int, ok bool) {
	if s[i] != '.' {
		return 0, i, true
	}
	i++
	unit, first := int64(1e5), i
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		us += int64(s[i]-'0') * unit
		unit /= 10
	}
	return us, i, i > first
}

// offsetSeconds reads "Z" or "±hh:mm".
func offsetSeconds(s string) (int, bool) {
	if len(s) == 1 {
		return 0, s[0]|0x20 == 'z'
	}
	if len(s) != 6 || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, m := two(s, 1), two(s, 4)
	if (h|m) < 0 || h > 23 || m > 59 {
		return 0, false
	}
	if s[0] == '-' {
		return -(h*3600 + m*60), true
	}
	return h*3600 + m*60, true
}

// two reads two digits, negative when they are none.
func two(s string, i int) int {
	a, b := s[i]-'0', s[i+1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysFromCivil counts days from 1970-01-01 in the proleptic Gregorian calendar (Hinnant's algorithm; year ≥ 0).
func daysFromCivil(y, m, d int) int {
	if m <= 2 {
		y--
		m += 12
	}
	era := (y + 400) / 400 // one era up, so that January of year 0 does not divide a negative
	yoe := y + 400 - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return (era-1)*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

func civilFromDays(days int) (y, m, d int) {
	z := days + 719468
	era := z / 146097
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = mp + 3
	y = yoe + era*400
	if m > 12 {
		m -= 12
		y++
	}
	return y, m, d
}

// AppendTime writes microseconds since the epoch as RFC 3339 in UTC with as many digits of the second as it needs
// ("2026-05-01T12:00:00.25Z"). Times outside 1970 to 9999 are written as the nearest one inside.
func AppendTime(dst []byte, micros int64) []byte {
	micros = min(max(micros, 0), maxMicros-1)
	y, m, d := civilFromDays(int(micros / microsPerDay))
	rest := micros % microsPerDay
	s := int(rest / 1e6)
	dst = appendTwo(dst, y/100)
	dst = appendTwo(dst, y%100)
	dst = appendTwo(append(dst, '-'), m)
	dst = appendTwo(append(dst, '-'), d)
	dst = appendTwo(append(dst, 'T'), s/3600)
	dst = appendTwo(append(dst, ':'), s/60%60)
	dst = appendTwo(append(dst, ':'), s%60)
	return append(appendFraction(dst, uint64(rest%1e6), 6), 'Z')
}

// FormatTime is AppendTime as a string.
func FormatTime(micros int64) string { return string(AppendTime(nil, micros)) }

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
