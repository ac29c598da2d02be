package eltwise

// Op is one elementwise function.
type Op uint8

// The functions of one operand. Those whose names end in S, and ExpSub, are
// forms with a scalar that programs use internally; a and b are parameters.
const (
	Copy      Op = iota // x
	Neg                 // -x
	Abs                 // |x|
	Sqrt                // correctly rounded
	Floor               //
	Ceil                //
	Round               // to nearest even
	Relu                // 0 where x < 0, else x: NaN and -0 stay
	Exp                 // vecmath.Exp32
	ExpSub              // vecmath.Exp32(x - a)
	Log                 // vecmath.Log32
	Tanh                // vecmath.Tanh32
	Sigmoid             // vecmath.Sigmoid32
	Erf                 // vecmath.Erf32
	Gelu                // vecmath.Gelu32
	GeluTanh            // vecmath.GeluTanh32
	Clip                // a where x < a, then b where that is > b: NaN stays
	LeakyRelu           // a x where x < 0, else x
	AddS                // x + a
	RSubS               // a - x
	MulS                // x a
	DivS                // x / a
	RDivS               // a / x
	MinS                // as Min
	MaxS                // as Max
	numUnary
)

// The functions of two operands.
const (
	Add    = numUnary + iota // x + y
	Sub                      // x - y
	Mul                      // x y
	Div                      // x / y
	Min                      // NaN if either is; -0 is below +0
	Max                      // NaN if either is; -0 is below +0
	PRelu                    // y x where x < 0, else x
	MaxNum                   // x where x > y, else y; for kernels only
	numOps
)

const numBinary = numOps - numUnary

// opInfo says how an Op stands in the text of a program: its name, "" for the
// internal ones, the values it takes and the literal parameters after them.
type opInfo struct {
	name           string
	values, params int
}

var infos = [numOps]opInfo{
	Copy: {"copy", 1, 0}, Neg: {"neg", 1, 0}, Abs: {"abs", 1, 0}, Sqrt: {"sqrt", 1, 0},
	Floor: {"floor", 1, 0}, Ceil: {"ceil", 1, 0}, Round: {"round", 1, 0}, Relu: {"relu", 1, 0},
	Exp: {"exp", 1, 0}, Log: {"log", 1, 0}, Tanh: {"tanh", 1, 0}, Sigmoid: {"sigmoid", 1, 0},
	Erf: {"erf", 1, 0}, Gelu: {"gelu", 1, 0}, GeluTanh: {"gelutanh", 1, 0},
	Clip: {"clip", 1, 2}, LeakyRelu: {"leakyrelu", 1, 1},
	Add: {"add", 2, 0}, Sub: {"sub", 2, 0}, Mul: {"mul", 2, 0}, Div: {"div", 2, 0},
	Min: {"min", 2, 0}, Max: {"max", 2, 0}, PRelu: {"prelu", 2, 0},
}

// String is the name in the text of a program; internal forms have none.
func (o Op) String() string {
	if o < numOps {
		return infos[o].name
	}
	return ""
}

// Values is the number of value operands of o: 1 or 2.
func (o Op) Values() int {
	if o < numOps {
		return infos[o].values
	}
	return 0
}

// Params is the number of literal parameters that follow the operands.
func (o Op) Params() int {
	if o < numOps {
		return infos[o].params
	}
	return 0
}

// ParseOp finds the Op of a name in the text of a program.
func ParseOp(name string) (Op, bool) {
	if name == "" {
		return 0, false
	}
	for o, in := range infos {
		if in.name == name {
			return Op(o), true
		}
	}
	return 0, false
}
