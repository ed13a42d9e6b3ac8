// A mux of words by a binary select, as slang emits it for a dynamic index, becomes one $shiftx per bit: the form in
// which Yosys looks for the taps of a shift register (xilinx_srl -variable). ROMs, all of A constant, stay.
(* techmap_celltype = "$bmux" *)
module bfx_bmux_to_shiftx (A, S, Y);
  parameter WIDTH = 1;
  parameter S_WIDTH = 1;
  parameter [(WIDTH << S_WIDTH) - 1:0] _TECHMAP_CONSTMSK_A_ = 0;
  input [(WIDTH << S_WIDTH) - 1:0] A;
  input [S_WIDTH - 1:0] S;
  output [WIDTH - 1:0] Y;

  wire _TECHMAP_FAIL_ = &_TECHMAP_CONSTMSK_A_;

  genvar at, word;
  generate
    for (at = 0; at < WIDTH; at = at + 1) begin : each
      wire [(1 << S_WIDTH) - 1:0] column;
      for (word = 0; word < (1 << S_WIDTH); word = word + 1) begin : from
        assign column[word] = A[word * WIDTH + at];
      end
      \$shiftx #(
          .A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(1 << S_WIDTH), .B_WIDTH(S_WIDTH), .Y_WIDTH(1)
      ) mux (.A(column), .B(S), .Y(Y[at]));
    end
  endgenerate
endmodule
