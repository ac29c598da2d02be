package gemm

import (
	"unsafe"

	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// NEON_I8_4x16 holds the integer tiles of up to 4 rows for Advanced SIMD. It
// multiplies int16 lanes (SMLAL), which no weight can make overflow.
var NEON_I8_4x16 = Micro8{Name: "4x16.neon", Needs: cpu.NEON, MR: 4, NP: 1, Wide: true, Group: 128,
	call: neonI8Call, pack: packRows_neon, widen: widen_neon, Quant: &quant.NEON}

// Dot_I8_4x16 holds the integer tiles of up to 4 rows for SDOT.
var Dot_I8_4x16 = Micro8{Name: "4x16.dotprod", Needs: cpu.NEON | cpu.DotProd, MR: 4, NP: 1, Signed: true, Group: 64,
	call: dotprodI8Call, pack: packQuads_neon, Quant: &quant.NEON}

func neonI8Call(mr, _, tiles, kq int, a unsafe.Pointer, lda int, b *uint8, ldb int, c *int32, ldc int, _ *int8) {
	w := (*int16)(a)
	switch mr {
	case 1:
		i8_1x16_neon(tiles, kq, w, lda, b, ldb, c, ldc)
	case 2:
		i8_2x16_neon(tiles, kq, w, lda, b, ldb, c, ldc)
	case 3:
		i8_3x16_neon(tiles, kq, w, lda, b, ldb, c, ldc)
	case 4:
		i8_4x16_neon(tiles, kq, w, lda, b, ldb, c, ldc)
	default:
		panic("gemm: no such tile")
	}
}

func dotprodI8Call(mr, _, tiles, kq int, a unsafe.Pointer, lda int, b *uint8, ldb int, c *int32, ldc int, _ *int8) {
	w := (*int8)(a)
	switch mr {
	case 1:
		i8_1x16_dotprod(tiles, kq, w, lda, b, ldb, c, ldc)
	case 2:
		i8_2x16_dotprod(tiles, kq, w, lda, b, ldb, c, ldc)
	case 3:
		i8_3x16_dotprod(tiles, kq, w, lda, b, ldb, c, ldc)
	case 4:
		i8_4x16_dotprod(tiles, kq, w, lda, b, ldb, c, ldc)
	default:
		panic("gemm: no such tile")
	}
}
