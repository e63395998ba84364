package insight

import "math"

// studentTail is the probability that Student's t with df degrees of freedom lies further from 0 than t.
func studentTail(t, df float64) float64 {
	if df <= 0 || math.IsNaN(t) {
		return 1
	}
	if math.IsInf(t, 0) {
		return 0
	}
	return incompleteBeta(df/2, 0.5, df/(df+t*t))
}

// normalTail is the probability that a standard normal number lies further from 0 than z.
func normalTail(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// incompleteBeta is the regularised incomplete beta function, by its continued fraction (modified Lentz).
func incompleteBeta(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2): // there the fraction converges fast
		return 1 - incompleteBeta(b, a, 1-x)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab-la-lb+a*math.Log(x)+b*math.Log1p(-x)) / a
	const tiny, enough, most = 1e-300, 1e-15, 500
	f, c, d := 1.0, 1.0, 0.0
	for i := range most {
		m := float64(i / 2)
		var n float64
		switch {
		case i == 0:
			n = 1
		case i%2 == 0:
			n = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			n = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		if d = 1 + n*d; math.Abs(d) < tiny {
			d = tiny
		}
		d = 1 / d
		if c = 1 + n/c; math.Abs(c) < tiny {
			c = tiny
		}
		f *= c * d
		if math.Abs(c*d-1) < enough {
			break
		}
	}
	return front * (f - 1)
}
