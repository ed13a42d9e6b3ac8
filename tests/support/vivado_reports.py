# ruff: noqa: E501
"""Reports in the format that Vivado writes, shortened; written to the format, not by a run."""

ULTRASCALE_PLUS = """\
Copyright 1986-2022 Xilinx, Inc. All Rights Reserved. Copyright 2022-2025 Advanced Micro Devices, Inc. All Rights Reserved.
-----------------------------------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2025.1 (lin64) Build 6140274 Wed May 21 22:58:25 MDT 2025
| Date         : Mon Nov 23 20:00:00 2026
| Host         : host running 64-bit Ubuntu 24.04.1 LTS
| Command      : report_utilization -file utilization.txt
| Design       : unit
| Device       : xczu3eg-sbva484-1-e
| Speed File   : -1
| Design State : Synthesized
-----------------------------------------------------------------------------------------------------------------------

Utilization Design Information

Table of Contents
-----------------
1. CLB Logic
1.1 Summary of Registers by Type
2. BLOCKRAM
3. ARITHMETIC
4. I/O
5. CLOCK
6. ADVANCED
7. CONFIGURATION
8. Primitives
9. Black Boxes
10. Instantiated Netlists

1. CLB Logic
------------

+----------------------------+------+-------+------------+-----------+-------+
|          Site Type         | Used | Fixed | Prohibited | Available | Util% |
+----------------------------+------+-------+------------+-----------+-------+
| CLB LUTs*                  |  431 |     0 |          0 |     70560 |  0.61 |
|   LUT as Logic             |  399 |     0 |          0 |     70560 |  0.57 |
|   LUT as Memory            |   32 |     0 |          0 |     28800 |  0.11 |
|     LUT as Distributed RAM |   24 |     0 |            |           |       |
|     LUT as Shift Register  |    8 |     0 |            |           |       |
| CLB Registers              |  212 |     0 |          0 |    141120 |  0.15 |
|   Register as Flip Flop    |  212 |     0 |          0 |    141120 |  0.15 |
|   Register as Latch        |    0 |     0 |          0 |    141120 |  0.00 |
| CARRY8                     |   30 |     0 |          0 |      8820 |  0.34 |
| F7 Muxes                   |    4 |     0 |          0 |     35280 |  0.01 |
| F8 Muxes                   |    0 |     0 |          0 |     17640 |  0.00 |
| F9 Muxes                   |    0 |     0 |          0 |      8820 |  0.00 |
+----------------------------+------+-------+------------+-----------+-------+
* Warning! The Final LUT count, after physical optimizations and full implementation, is typically lower. Run opt_design after synthesis, if not already completed, for a more realistic count.
Warning! LUT value is adjusted to account for LUT combining.


1.1 Summary of Registers by Type
--------------------------------

+-------+--------------+-------------+--------------+
| Total | Clock Enable | Synchronous | Asynchronous |
+-------+--------------+-------------+--------------+
| 0     |            _ |           - |            - |
| 12    |          Yes |         Set |            - |
| 200   |          Yes |       Reset |            - |
+-------+--------------+-------------+--------------+


2. BLOCKRAM
-----------

+-------------------+------+-------+------------+-----------+-------+
|     Site Type     | Used | Fixed | Prohibited | Available | Util% |
+-------------------+------+-------+------------+-----------+-------+
| Block RAM Tile    |  2.5 |     0 |          0 |       216 |  1.16 |
|   RAMB36/FIFO*    |    2 |     0 |          0 |       216 |  0.93 |
|     RAMB36E2 only |    2 |       |            |           |       |
|   RAMB18          |    1 |     0 |          0 |       432 |  0.23 |
|     RAMB18E2 only |    1 |       |            |           |       |
+-------------------+------+-------+------------+-----------+-------+
* Note: Each Block RAM Tile only has one FIFO logic available and therefore can accommodate only one FIFO36E2 or one FIFO18E2.


3. ARITHMETIC
-------------

+----------------+------+-------+------------+-----------+-------+
|    Site Type   | Used | Fixed | Prohibited | Available | Util% |
+----------------+------+-------+------------+-----------+-------+
| DSPs           |    3 |     0 |          0 |       360 |  0.83 |
|   DSP48E2 only |    3 |       |            |           |       |
+----------------+------+-------+------------+-----------+-------+


8. Primitives
-------------

+----------+------+---------------------+
| Ref Name | Used | Functional Category |
+----------+------+---------------------+
| LUT6     |  210 |                 CLB |
| FDRE     |  200 |            Register |
| LUT5     |   95 |                 CLB |
| LUT4     |   90 |                 CLB |
| LUT2     |   80 |                 CLB |
| LUT3     |   31 |                 CLB |
| CARRY8   |   30 |                 CLB |
| RAMD32   |   28 |                 CLB |
| FDSE     |   12 |            Register |
| SRLC32E  |    8 |                 CLB |
| MUXF7    |    4 |                 CLB |
| RAMS32   |    4 |                 CLB |
| DSP48E2  |    3 |          Arithmetic |
| RAMB36E2 |    2 |            BLOCKRAM |
| RAMB18E2 |    1 |            BLOCKRAM |
| LUT1     |    1 |                 CLB |
+----------+------+---------------------+


9. Black Boxes
--------------

+----------+------+
| Ref Name | Used |
+----------+------+
"""

SERIES_7 = """\
Copyright 1986-2022 Xilinx, Inc. All Rights Reserved. Copyright 2022-2024 Advanced Micro Devices, Inc. All Rights Reserved.
---------------------------------------------------------------------------------------------------------------------
| Tool Version : Vivado v.2024.2 (lin64) Build 5239630 Fri Nov 08 22:34:34 MST 2024
| Command      : report_utilization -file utilization.txt
| Design       : unit
| Device       : xc7z020clg400-1
| Speed File   : -1
| Design State : Synthesized
---------------------------------------------------------------------------------------------------------------------

Utilization Design Information

1. Slice Logic
--------------

+-------------------------+------+-------+------------+-----------+-------+
|        Site Type        | Used | Fixed | Prohibited | Available | Util% |
+-------------------------+------+-------+------------+-----------+-------+
| Slice LUTs*             |   58 |     0 |          0 |     53200 |  0.11 |
|   LUT as Logic          |   58 |     0 |          0 |     53200 |  0.11 |
|   LUT as Memory         |    0 |     0 |          0 |     17400 |  0.00 |
| Slice Registers         |   41 |     0 |          0 |    106400 |  0.04 |
|   Register as Flip Flop |   41 |     0 |          0 |    106400 |  0.04 |
|   Register as Latch     |    0 |     0 |          0 |    106400 |  0.00 |
| F7 Muxes                |    0 |     0 |          0 |     26600 |  0.00 |
| F8 Muxes                |    0 |     0 |          0 |     13300 |  0.00 |
+-------------------------+------+-------+------------+-----------+-------+
* Warning! The Final LUT count, after physical optimizations and full implementation, is typically lower. Run opt_design after synthesis, if not already completed, for a more realistic count.


2. Memory
---------

+----------------+------+-------+------------+-----------+-------+
|    Site Type   | Used | Fixed | Prohibited | Available | Util% |
+----------------+------+-------+------------+-----------+-------+
| Block RAM Tile |    0 |     0 |          0 |       140 |  0.00 |
|   RAMB36/FIFO* |    0 |     0 |          0 |       140 |  0.00 |
|   RAMB18       |    0 |     0 |          0 |       280 |  0.00 |
+----------------+------+-------+------------+-----------+-------+
* Note: Each Block RAM Tile only has one FIFO logic available and therefore can accommodate only one FIFO36E1 or one FIFO18E1.


3. DSP
------

+-----------+------+-------+------------+-----------+-------+
| Site Type | Used | Fixed | Prohibited | Available | Util% |
+-----------+------+-------+------------+-----------+-------+
| DSPs      |    0 |     0 |          0 |       220 |  0.00 |
+-----------+------+-------+------------+-----------+-------+


7. Primitives
-------------

+----------+------+---------------------+
| Ref Name | Used | Functional Category |
+----------+------+---------------------+
| FDRE     |   41 |        Flop & Latch |
| LUT2     |   30 |                 LUT |
| LUT6     |   22 |                 LUT |
| LUT4     |   10 |                 LUT |
| CARRY4   |    9 |          CarryLogic |
+----------+------+---------------------+
"""

TIMING = """\
------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
     -0.287       -1.430                     12                  345        0.043        0.000


Timing constraints are not met.


------------------------------------------------------------------------------------------------
| Timing Details
| --------------
------------------------------------------------------------------------------------------------


---------------------------------------------------------------------------------------------------
From Clock:  ap_clk
  To Clock:  ap_clk

Setup :           12  Failing Endpoints,  Worst Slack       -0.287ns,  Total Violation       -1.430ns
Hold  :            0  Failing Endpoints,  Worst Slack        0.043ns,  Total Violation        0.000ns
---------------------------------------------------------------------------------------------------


Max Delay Paths
--------------------------------------------------------------------------------------
Slack (VIOLATED) :        -0.287ns  (required time - arrival time)
  Source:                 core/weights_reg[3]/C
                            (rising edge-triggered cell FDRE clocked by ap_clk  {rise@0.000ns fall@1.500ns period=3.000ns})
  Destination:            core/sum_reg[15]/D
                            (rising edge-triggered cell FDRE clocked by ap_clk  {rise@0.000ns fall@1.500ns period=3.000ns})
  Path Group:             ap_clk
  Path Type:              Setup (Max at Slow Process Corner)
  Requirement:            3.000ns  (ap_clk rise@3.000ns - ap_clk rise@0.000ns)
  Data Path Delay:        3.250ns  (logic 1.411ns (43.415%)  route 1.839ns (56.585%))
  Logic Levels:           6  (CARRY8=2 LUT4=1 LUT6=2 MUXF7=1)
  Clock Path Skew:        -0.010ns (DCD - SCD + CPR)


Min Delay Paths
--------------------------------------------------------------------------------------
Slack (MET) :             0.043ns  (arrival time - required time)
  Source:                 core/full_reg/C
  Destination:            core/full_reg/D
  Requirement:            0.000ns  (ap_clk rise@0.000ns - ap_clk rise@0.000ns)
  Logic Levels:           1  (LUT2=1)
"""
