// What is left of bmux_to_shiftx.v once shift registers are found goes back, since Yosys maps $bmux to fewer LUTs.
(* techmap_celltype = "$shiftx" *)
module bfx_shiftx_to_bmux (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  input [A_WIDTH - 1:0] A;
  input [B_WIDTH - 1:0] B;
  output [Y_WIDTH - 1:0] Y;

  wire _TECHMAP_FAIL_ = Y_WIDTH != 1 || B_SIGNED != 0 || A_WIDTH != (1 << B_WIDTH);

  generate
    if (Y_WIDTH == 1 && A_WIDTH == (1 << B_WIDTH)) begin : fits
      \$bmux #(.WIDTH(1), .S_WIDTH(B_WIDTH)) mux (.A(A), .S(B), .Y(Y));
    end
  endgenerate
endmodule
