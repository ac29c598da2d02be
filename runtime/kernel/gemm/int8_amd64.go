package gemm

import (
	"unsafe"

	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// AVX2_I8_6x16 holds the integer tiles of up to 6 rows for AVX2. It multiplies
// int16 pairs (VPMADDWD), which no weight can make overflow.
var AVX2_I8_6x16 = Micro8{Name: "6x16.avx2", Needs: cpu.AVX2, MR: 6, NP: 1, Wide: true, Group: 128,
	call: avx2I8Call, column: avx2I8Column, pack: packPairs_avx2, widen: widen_avx2, Quant: &quant.AVX2}

// VNNI_I8_14x32 holds the integer tiles of up to 14 rows and two panels for
// AVX-512 with VNNI.
var VNNI_I8_14x32 = Micro8{Name: "14x32.avx512vnni", Needs: cpu.AVX2 | cpu.AVX512 | cpu.AVX512VNNI, MR: 14, NP: 2, Group: 64,
	call: vnniI8Call, pack: packQuads_avx2, Quant: &quant.AVX2}

func avx2I8Call(mr, _, tiles, kq int, a unsafe.Pointer, lda int, b *uint8, ldb int, c *int32, ldc int, next *int8) {
	w := (*int16)(a)
	switch mr {
	case 1:
		i8_1x16_avx2(tiles, kq, w, lda, b, ldb, c, ldc, next)
	case 2:
		i8_2x16_avx2(tiles, kq, w, lda, b, ldb, c, ldc, next)
	case 3:
		i8_3x16_avx2(tiles, kq, w, lda, b, ldb, c, ldc, next)
	case 4:
		i8_4x16_avx2(tiles, kq, w, lda, b, ldb, c, ldc, next)
	case 5:
		i8_5x16_avx2(tiles, kq, w, lda, b, ldb, c, ldc, next)
	case 6:
		i8_6x16_avx2(tiles, kq, w, lda, b, ldb, c, ldc, next)
	default:
		panic("gemm: no such tile")
	}
}

func avx2I8Column(mr, tiles, kq int, a unsafe.Pointer, lda int, b *int16, c *int32, ldc int) {
	w, x := (*int16)(a), (*uint8)(unsafe.Pointer(b))
	switch mr {
	case 1:
		i8_1x1_avx2(tiles, kq, w, lda, x, 0, c, ldc)
	case 2:
		i8_2x1_avx2(tiles, kq, w, lda, x, 0, c, ldc)
	case 3:
		i8_3x1_avx2(tiles, kq, w, lda, x, 0, c, ldc)
	case 4:
		i8_4x1_avx2(tiles, kq, w, lda, x, 0, c, ldc)
	case 5:
		i8_5x1_avx2(tiles, kq, w, lda, x, 0, c, ldc)
	case 6:
		i8_6x1_avx2(tiles, kq, w, lda, x, 0, c, ldc)
	default:
		panic("gemm: no such tile")
	}
}

func vnniI8Call(mr, np, tiles, kq int, a unsafe.Pointer, lda int, b *uint8, ldb int, c *int32, ldc int, _ *int8) {
	w := (*int8)(a)
	switch mr*2 + np {
	case 1*2 + 1:
		i8_1x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 1*2 + 2:
		i8_1x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 2*2 + 1:
		i8_2x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 2*2 + 2:
		i8_2x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 3*2 + 1:
		i8_3x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 3*2 + 2:
		i8_3x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 4*2 + 1:
		i8_4x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 4*2 + 2:
		i8_4x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 5*2 + 1:
		i8_5x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 5*2 + 2:
		i8_5x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 6*2 + 1:
		i8_6x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 6*2 + 2:
		i8_6x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 7*2 + 1:
		i8_7x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 7*2 + 2:
		i8_7x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 8*2 + 1:
		i8_8x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 8*2 + 2:
		i8_8x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 9*2 + 1:
		i8_9x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 9*2 + 2:
		i8_9x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 10*2 + 1:
		i8_10x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 10*2 + 2:
		i8_10x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 11*2 + 1:
		i8_11x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 11*2 + 2:
		i8_11x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 12*2 + 1:
		i8_12x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 12*2 + 2:
		i8_12x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 13*2 + 1:
		i8_13x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 13*2 + 2:
		i8_13x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 14*2 + 1:
		i8_14x16_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	case 14*2 + 2:
		i8_14x32_avx512vnni(tiles, kq, w, lda, b, ldb, c, ldc)
	default:
		panic("gemm: no such tile")
	}
}
