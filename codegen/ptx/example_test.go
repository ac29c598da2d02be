package ptx_test

import (
	"fmt"

	"github.com/mlc-go/mlc/codegen/ptx"
)

// A whole kernel: z = x + y of n elements.
func Example() {
	m := ptx.NewModule(ptx.Options{SM: 75})
	k := m.Entry("vadd")
	x, y, z := k.ParamPtr("x").NC(), k.ParamPtr("y").NC(), k.ParamPtr("z")
	n := k.ParamU32("n")
	i := k.GlobalX()
	k.If(i.Lt(n), func() {
		sum := x.At(i, 4).LdF32().Add(y.At(i, 4).LdF32())
		z.At(i, 4).StF32(sum)
	})
	m.Add(k)
	text, err := m.Text()
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(text)
	// Output:
	// .version 7.0
	// .target sm_75
	// .address_size 64
	//
	// .visible .entry vadd_76298115(
	// 	.param .u64 p_x,
	// 	.param .u64 p_y,
	// 	.param .u64 p_z,
	// 	.param .u32 p_n
	// )
	// {
	// 	.reg .pred %p<2>;
	// 	.reg .b32 %r<6>;
	// 	.reg .b64 %rd<10>;
	// 	.reg .f32 %f<4>;
	// 	ld.param.u64 %rd1, [p_x];
	// 	cvta.to.global.u64 %rd2, %rd1;
	// 	ld.param.u64 %rd3, [p_y];
	// 	cvta.to.global.u64 %rd4, %rd3;
	// 	ld.param.u64 %rd5, [p_z];
	// 	cvta.to.global.u64 %rd6, %rd5;
	// 	ld.param.u32 %r1, [p_n];
	// 	mov.u32 %r2, %ctaid.x;
	// 	mov.u32 %r3, %ntid.x;
	// 	mov.u32 %r4, %tid.x;
	// 	mad.lo.u32 %r5, %r2, %r3, %r4;
	// 	setp.lt.u32 %p1, %r5, %r1;
	// 	@!%p1 bra L1;
	// 	mad.wide.u32 %rd7, %r5, 4, %rd2;
	// 	ld.global.nc.f32 %f1, [%rd7];
	// 	mad.wide.u32 %rd8, %r5, 4, %rd4;
	// 	ld.global.nc.f32 %f2, [%rd8];
	// 	add.rn.f32 %f3, %f1, %f2;
	// 	mad.wide.u32 %rd9, %r5, 4, %rd6;
	// 	st.global.f32 [%rd9], %f3;
	// L1:
	// 	ret;
	// }
}
